/** A browser's side of Gatepost: sign in, stay signed in, sign out; in every tab at once. */

import type {ErrorInfo, Me, SessionInfo, Sessions, SignedIn, User} from "./types.js";

export type * from "./types.js";

/** Where a token is kept; `localStorage` and `sessionStorage` are such places. */
export interface TokenStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface Options {
  /** Where Gatepost is: `https://auth.example.com`; by default where the page came from. */
  url?: string;
  /** Path of the API: `/api/auth`. */
  prefix?: string;
  /** Keep a bearer token here. Without it the session is in a cookie, which no script can read. */
  storage?: TokenStorage;
  /** What requests are made with. */
  fetch?: typeof fetch;
}

/** Who is signed in: null for nobody, undefined until somebody has asked. */
export type Current = {user: User; session_info: SessionInfo} | null | undefined;

/** What went wrong: a code of the API, or that there was no answer of Gatepost's. */
export type ErrorCode = ErrorInfo["code"] | "unreachable";

/** What an answer says of its error, besides the message. */
export type ErrorDetail = {code: ErrorCode; fields?: Record<string, string>} & Record<string, unknown>;

/** An answer that is no success. */
export class GatepostError extends Error {
  /** HTTP status. */
  readonly status: number;
  /** What went wrong, for programs: `invalid_credentials`; `unreachable` where there was no answer of Gatepost's. */
  readonly code: ErrorCode;
  /** Name of a field → what is wrong with it. */
  readonly fields: Readonly<Record<string, string>>;
  /** All that the answer says of the error. */
  readonly info: ErrorDetail;
  /** Seconds to wait before the next try; null where the answer names none. */
  readonly retryAfter: number | null;

  constructor(message: string, status: number, info: ErrorDetail, retryAfter: number | null = null) {
    super(message);
    this.name = "GatepostError";
    this.status = status;
    this.code = info.code;
    this.fields = info.fields ?? {};
    this.info = info;
    this.retryAfter = retryAfter;
  }
}

type Kept = {token: string; from: number; until: number};
type Body = Record<string, unknown>;

const KEY = "gatepost";

export class Client {
  #url: string;
  #storage: TokenStorage | undefined;
  #fetch: typeof fetch;
  #current: Current;
  #listeners = new Set<(current: Current) => void>();
  #channel: BroadcastChannel | undefined;

  constructor({url = "", prefix = "/api/auth", storage, fetch: by}: Options = {}) {
    this.#url = url.replace(/\/$/, "") + prefix;
    this.#storage = storage;
    this.#fetch = by ?? ((...request) => fetch(...request));
    if (typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(KEY + this.#url);
      this.#channel.onmessage = ({data}) => (data ? void this.me().catch(() => {}) : this.#tell(null));
      (this.#channel as {unref?: () => void}).unref?.();
    }
  }

  /** Who is signed in, as far as it is known; `me` asks. */
  get current(): Current {
    return this.#current;
  }

  /** Call `listener` whenever somebody signs in or out, in whatever tab; returns how to stop that. */
  onChange(listener: (current: Current) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Sign in; with `new_password` the password is changed on the way. */
  signIn(body: {email: string; password: string; remember?: boolean; new_password?: string}): Promise<SignedIn> {
    return this.#begin("/login", body);
  }

  /** Make an account, and sign in. */
  signUp(
    body: {email: string; name: string; password: string; remember?: boolean; invitation?: string} & Body,
  ): Promise<SignedIn> {
    return this.#begin("/register", body);
  }

  /** End this session. Where it had ended already, all is well too. */
  async signOut(): Promise<void> {
    await this.#end("POST", "/logout");
  }

  /** End every session of this user, this one too; returns how many there were. */
  async signOutEverywhere(): Promise<number> {
    const done = await this.#end<{sessions_revoked: number}>("POST", "/logout-all");
    return done?.sessions_revoked ?? 0;
  }

  /** Return who is signed in; null for nobody. */
  async me(): Promise<Me | null> {
    try {
      const me = await this.request<Me>("GET", "/me");
      this.#tell(me);
      return me;
    } catch (error) {
      if (error instanceof GatepostError && error.status === 401) return null;
      throw error;
    }
  }

  /** Return the live sessions of this user. */
  sessions(page: {limit?: number; cursor?: string} = {}): Promise<Sessions> {
    return this.request("GET", "/sessions?" + new URLSearchParams(page as Record<string, string>));
  }

  /** End one of them. */
  endSession(id: number): Promise<null> {
    return this.request("DELETE", `/sessions/${id}`);
  }

  /** Give the password again, for what asks for a fresh session. */
  confirm(body: {password: string} | Body): Promise<SignedIn> {
    return this.#begin("/confirm", body);
  }

  /** Change the password; every other session ends. */
  changePassword(body: {current: string; new: string}): Promise<SignedIn> {
    return this.#begin("/password", body);
  }

  /** Delete the account, at once and for good. */
  async deleteAccount(body: {password: string}): Promise<void> {
    await this.#end("DELETE", "/me", body);
  }

  /** Ask an endpoint of Gatepost, for instance `request("PATCH", "/me", {name})`; return the `data` of its answer. */
  async request<T = unknown>(method: string, path: string, body?: Body): Promise<T> {
    let answer: Response | undefined;
    try {
      answer = await this.fetch(this.#url + path, {
        method,
        ...(body && {body: JSON.stringify(body), headers: {"Content-Type": "application/json"}}),
      });
      const {data, message, success, error} = await answer.json();
      if (success) return data;
      const after = answer.headers.get("Retry-After");
      throw new GatepostError(message, answer.status, error, after === null ? null : Number(after));
    } catch (error) {
      if (error instanceof GatepostError) throw error;
      throw new GatepostError("Gatepost can't be reached", answer?.status ?? 0, {code: "unreachable"});
    }
  }

  /**
   * `fetch` with the session, for the routes of your own application.
   *
   * A token that is past half of its life is refreshed first, once for all tabs. What is answered 401 is sent once
   * more where another tab has a newer session by then.
   */
  async fetch(input: string | URL, init: RequestInit = {}): Promise<Response> {
    const kept = await this.#fresh();
    let answer = await this.#send(input, init, kept);
    if (answer.status !== 401) return answer;
    const code = (await answer.clone().json().catch(() => null))?.error?.code;
    if (code === "session_replaced" || kept?.token !== this.#kept()?.token) {
      answer = await this.#send(input, init, this.#kept());
    }
    if (answer.status === 401 && /^(session_|invalid_session|not_authenticated)/.test(code)) this.#forget();
    return answer;
  }

  #send(input: string | URL, init: RequestInit, kept: Kept | undefined): Promise<Response> {
    const headers = new Headers(init.headers);
    if (kept) headers.set("Authorization", `Bearer ${kept.token}`);
    return this.#fetch(input, {...init, headers, credentials: this.#storage ? "omit" : "include"});
  }

  /** The token to send, refreshed where it is past half of its life. */
  async #fresh(): Promise<Kept | undefined> {
    const kept = this.#kept();
    const now = Date.now();
    if (!kept || now < (kept.from + kept.until) / 2 || now >= kept.until) return kept;
    const refresh = async () => {
      if (this.#kept()?.token !== kept.token) return; // another tab was faster
      const answer = await this.#send(`${this.#url}/refresh`, {method: "POST"}, kept);
      const {data, success} = await answer.json();
      if (success) this.#keep(data);
    };
    const locks = globalThis.navigator?.locks;
    await (locks ? locks.request(KEY + this.#url, refresh) : refresh()).catch(() => {}); // it is good as it is
    return this.#kept();
  }

  async #begin(path: string, body: Body): Promise<SignedIn> {
    const signedIn = await this.request<SignedIn>("POST", path, {...body, cookie: this.#storage ? undefined : true});
    this.#keep(signedIn);
    await this.me();
    this.#channel?.postMessage(true);
    return signedIn;
  }

  async #end<T>(method: string, path: string, body?: Body): Promise<T | undefined> {
    let data: T | undefined;
    try {
      data = await this.request<T>(method, path, body);
    } catch (error) {
      // Who has no session is signed out already.
      if (!(error instanceof GatepostError) || error.status !== 401 || error.code === "invalid_credentials") throw error;
    }
    this.#forget();
    return data;
  }

  #kept(): Kept | undefined {
    return JSON.parse(this.#storage?.getItem(KEY) ?? "null") ?? undefined;
  }

  #keep({token, session_info}: SignedIn): void {
    const kept = {token, from: Date.now(), until: Date.parse(session_info.expires_at)};
    if (token) this.#storage?.setItem(KEY, JSON.stringify(kept));
  }

  #forget(): void {
    this.#storage?.removeItem(KEY);
    if (this.#current) this.#channel?.postMessage(false);
    this.#tell(null);
  }

  #tell(current: Current): void {
    if (JSON.stringify(current) === JSON.stringify(this.#current)) return;
    this.#current = current;
    for (const listener of this.#listeners) listener(current);
  }
}

/** Make a client; an application has one. */
export const createClient = (options?: Options): Client => new Client(options);
