// A button that would be refused until then waits, and says for how long: by the server's clock, not the reader's.
function countDown(hint) {
  const button = hint.parentElement.querySelector("button");
  const end = performance.now() + hint.dataset.wait * 1000;
  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    button.disabled = left > 0;
    const clock = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    hint.textContent = left > 0 ? hint.dataset.in.replace("%(time)s", clock) : "";
    if (left > 0) setTimeout(tick, 1000);
  };
  tick();
}

document.querySelectorAll("[data-wait]").forEach(countDown);
