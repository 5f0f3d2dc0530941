import {GatepostError} from "gatepost";
import {useSession} from "gatepost/react";
import {type FormEvent, useEffect, useState} from "react";
import {api, auth} from "./auth";

export function App() {
  const {status, user} = useSession(auth);
  if (status === "loading") return <p>Loading …</p>;
  if (status === "signed-out") return <SignIn />;
  return (
    <>
      <h1>Notes of {user.name}</h1>
      <button onClick={() => auth.signOut()}>Sign out</button>
      <Notes />
    </>
  );
}

function SignIn() {
  const [isNew, setNew] = useState(false);
  const [error, setError] = useState<GatepostError | null>(null);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const {email, password, name} = Object.fromEntries(new FormData(event.currentTarget)) as Record<string, string>;
    try {
      await (isNew ? auth.signUp({email, password, name}) : auth.signIn({email, password}));
    } catch (error) {
      if (!(error instanceof GatepostError)) throw error;
      setError(error);
    }
  }

  return (
    <form onSubmit={submit}>
      <h1>{isNew ? "Sign up" : "Sign in"}</h1>
      {isNew && <Field label="Name" name="name" autoComplete="name" error={error} />}
      <Field label="E-mail" name="email" type="email" autoComplete="username" error={error} />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete={isNew ? "new-password" : "current-password"}
        error={error}
      />
      {error && <p role="alert">{error.message}</p>}
      <button>{isNew ? "Sign up" : "Sign in"}</button>
      <button type="button" onClick={() => setNew(!isNew)}>
        {isNew ? "I have an account" : "I am new here"}
      </button>
    </form>
  );
}

type FieldProps = {label: string; name: string; type?: string; autoComplete: string; error: GatepostError | null};

function Field({label, error, ...input}: FieldProps) {
  const problem = error?.fields[input.name];
  return (
    <label>
      {label} <input {...input} required aria-invalid={problem !== undefined} /> {problem}
    </label>
  );
}

function Notes() {
  const [notes, setNotes] = useState<string[]>([]);

  async function load(init?: RequestInit) {
    const answer = await auth.fetch(`${api}/notes`, init);
    if (answer.ok) setNotes(await answer.json());
  }

  useEffect(() => void load(), []);

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const form = event.currentTarget;
        const text = new FormData(form).get("text");
        const headers = {"Content-Type": "application/json"};
        void load({method: "POST", headers, body: JSON.stringify({text})}).then(() => form.reset());
      }}
    >
      <ul>
        {notes.map((note, index) => (
          <li key={index}>{note}</li>
        ))}
      </ul>
      <label>
        Note <input name="text" required />
      </label>
      <button>Add</button>
    </form>
  );
}
