/** Who is signed in, for React: `const {user, status} = useSession(client)`. */

import {useEffect, useSyncExternalStore} from "react";
import type {Client, SessionInfo, User} from "./index.js";

export type UseSession =
  | {status: "loading"; user: null; session: null}
  | {status: "signed-out"; user: null; session: null}
  | {status: "signed-in"; user: User; session: SessionInfo};

/** Return who is signed in, and render again whenever that changes, in whatever tab. */
export function useSession(client: Client): UseSession {
  const current = useSyncExternalStore(
    (changed) => client.onChange(changed),
    () => client.current,
    () => undefined,
  );
  useEffect(() => {
    if (client.current === undefined) void client.me().catch(() => {});
  }, [client]);
  if (current) return {status: "signed-in", user: current.user, session: current.session_info};
  return {status: current === null ? "signed-out" : "loading", user: null, session: null};
}
