import {createClient} from "gatepost";

/** Where Gatepost and the API are. */
export const api: string = import.meta.env.VITE_API ?? "http://localhost:8000";

/** The session is in a cookie; with VITE_TOKENS=1 a bearer token is in localStorage instead. */
export const auth = createClient({url: api, storage: import.meta.env.VITE_TOKENS ? localStorage : undefined});
