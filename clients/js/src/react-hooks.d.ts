// The two hooks of React that are used, for a build without React's own types.
declare module "react" {
  export function useEffect(effect: () => void, dependencies: readonly unknown[]): void;
  export function useSyncExternalStore<T>(
    subscribe: (changed: () => void) => () => void,
    snapshot: () => T,
    serverSnapshot: () => T,
  ): T;
}
