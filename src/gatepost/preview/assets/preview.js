"use strict";

// Has a page reload when its looks are others; in a frame the page around it does.
if (self === top) {
  const { version } = document.currentScript.dataset;
  const look = async () => {
    try {
      const answer = await fetch("/preview/version");
      if (answer.ok && (await answer.text()) !== version) location.reload();
    } catch {
      // The preview has ended, or starts again.
    }
  };
  setInterval(look, 500);
}
