// Made from the OpenAPI document by scripts/render_client.py: change it there.

export interface Account {
  id: UserId;
  email: string;
  name: string;
  is_admin: boolean;
  is_active: boolean;
  created_at: string;
  email_verified: boolean;
  active_sessions: number;
  last_sign_in_at: string | null;
  failures: number;
  is_locked: boolean;
  has_password: boolean;
  temporary_password_expires_at: string | null;
}

export interface AccountOnly {
  user: Account;
}

export interface Address {
  address: string;
  around: string | null;
  verdict: "guessed" | "attack" | "failures" | "quiet";
  failed: number;
  accounts_tried: number;
  accounts_existing: number;
  succeeded: number;
  refused: number;
  is_cut: boolean;
  open_sessions: number;
  is_throttled: boolean;
  blocks: Block[];
  accounts: TriedAccount[];
  sessions: AdminSession[];
  events: AdminEvent[];
}

export interface AdminEvent {
  id: number;
  at: string;
  action: string;
  session_id: number | null;
  ip_address: string | null;
  user_agent: string | null;
  detail: Record<string, unknown>;
  user_id: UserId | null;
  email: string | null;
}

export interface AdminEvents {
  events: AdminEvent[];
  next_cursor: string | null;
}

export interface AdminSession {
  id: number;
  session_token: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  ip_address: string | null;
  user_agent: string | null;
  is_current: boolean;
  /** Who has this session in the place of its user, where somebody has. */
  impersonator_id?: UserId | null;
  user_id: UserId;
  email: string;
}

export interface AdminSessions {
  sessions: AdminSession[];
  next_cursor: string | null;
  total_active_sessions: number | null;
}

export interface AllSeries {
  /** Sessions started by a login or a registration. */
  sign_ins: Series;
  /** Failed logins. */
  failures: Series;
  /** Attempts refused because there were too many; not all are recorded. */
  throttled: Series;
  /** Users who registered or were created by an administrator. */
  new_accounts: Series;
}

export interface AskRequest {
  email: string;
  /** Have the code in the mail work in this browser alone, by a cookie. */
  cookie?: boolean;
}

export interface AttackedAccount {
  user_id: UserId;
  email: string;
  failures: number;
  /** Failures since the last success, however long ago. */
  in_a_row: number;
  /** The password works only from known places. */
  is_locked: boolean;
  last_at: string;
}

export interface Block {
  id: number;
  network: string;
  status: "active" | "lifted" | "expired";
  until: string | null;
  reason: string | null;
  created_at: string;
  created_by: UserId | null;
  lifted_at: string | null;
  lifted_by: UserId | null;
}

export interface BlockRequest {
  /** An address, or a network up to an IPv4 /16 or IPv6 /32. Of IPv6 the /64 is blocked. */
  network: string;
  /** How long; null until it is lifted. */
  minutes: number | null;
  /** Noted with it. */
  reason?: string | null;
}

export interface Blocks {
  blocks: Block[];
  next_cursor: string | null;
}

export interface ChallengeInfo {
  code: string;
  hint?: string | null;
  challenge?: string | null;
  methods?: string[] | null;
  expires_at?: string | null;
}

export interface ChangeEmailRequest {
  email: string;
  password?: string | null;
}

export interface ChangePasswordRequest {
  current?: string | null;
  new: string;
}

export interface Cleanup {
  sessions_expired: number;
  sessions_purged: number;
}

export interface Cleared {
  buckets_cleared: number;
}

export interface ConfirmOptionsRequest {
  /** Of the methods that would do. */
  method: string;
}

export interface ConfirmRequest {
  password?: string | null;
  /** Of the methods that would do. */
  method?: string | null;
  code?: string | null;
  /** As the browser's `PublicKeyCredential.toJSON()` has it. */
  credential?: Record<string, unknown> | null;
}

export interface ConfirmTotpRequest {
  code: string;
}

export interface Count {
  value: number;
  /** True if counted; otherwise an estimate to two digits. */
  is_exact: boolean;
}

export interface CreateInvitationRequest {
  /** Only this person may use it; null for anyone with the link. */
  email?: string | null;
  /** Hours that the link is valid. */
  hours?: number;
  /** Mail the link to `email`, where mail is set up. */
  send?: boolean;
}

export interface DeleteMeRequest {
  password?: string | null;
}

export interface EndAddressSessionsRequest {
  expected: number;
}

export interface EndSessionsRequest {
  /** Of this user. */
  user?: UserId | null;
  /** An address, or a network such as 203.0.113.0/24. */
  address?: string | null;
  /** Started longer ago than this. */
  older_than_minutes?: number | null;
  /** Not used for this long. */
  unused_for_minutes?: number | null;
  expected: number;
}

export interface Enrolled {
  token?: string;
  user: User;
  session_info: SessionInfo;
  recovery_codes?: string[];
}

export interface ErrorInfo {
  code: "account_in_use" | "admin_required" | "body_too_large" | "body_too_slow" | "challenge_expired" | "conflict" | "count_changed" | "cross_origin_refused" | "email_taken" | "factor_enrolment_required" | "factor_required" | "fresh_session_required" | "internal_error" | "invalid_code" | "invalid_credentials" | "invalid_invitation" | "invalid_link" | "invalid_session" | "invalid_setup_link" | "invitation_required" | "last_admin" | "last_way_in" | "malformed_json" | "method_not_allowed" | "network_too_wide" | "not_authenticated" | "not_found" | "not_mailable" | "own_account" | "own_address" | "password_change_required" | "password_is_context" | "password_too_common" | "protected_address" | "registration_closed" | "rejected_by_database" | "second_factor_required" | "session_expired" | "session_replaced" | "session_revoked" | "too_many_attempts" | "unavailable" | "unknown_passkey" | "unsupported_media_type" | "validation_failed";
  hint?: string | null;
}

export interface Event {
  id: number;
  at: string;
  action: string;
  session_id: number | null;
  ip_address: string | null;
  user_agent: string | null;
  detail: Record<string, unknown>;
}

export interface Events {
  events: Event[];
  next_cursor: string | null;
}

export interface Export {
  user: ExportedUser;
  sessions: ExportedSession[];
  events: Event[];
  /** What the application adds, where it does: `auth.on_export`. */
  application?: Record<string, unknown>;
  truncated: boolean;
}

export interface ExportedSession {
  id: number;
  session_token: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  ip_address: string | null;
  user_agent: string | null;
  is_current: boolean;
  /** Who has this session in the place of its user, where somebody has. */
  impersonator_id?: UserId | null;
  ended_at: string | null;
  end_reason: string | null;
}

export interface ExportedUser {
  id: UserId;
  email: string;
  name: string;
  created_at: string;
  is_admin: boolean;
  email_verified: boolean;
  language: string | null;
}

export interface FactorCounts {
  users: Count;
  /** Users who have one, whichever. */
  held: Count;
  /** Users who have each, by its method. */
  methods: Record<string, Count>;
}

export interface Factor {
  method: string;
  created_at: string;
  last_used_at: string | null;
  last_used_from: string | null;
  left?: number | null;
  id?: string | null;
  name?: string | null;
  is_synced?: boolean | null;
}

export interface FactorOptionsRequest {
  /** What `second_factor_required` came with; left out where a cookie holds it. */
  challenge?: string | null;
  /** Of the methods that would do. */
  method: string;
}

export interface FactorRequest {
  /** What `second_factor_required` came with; left out where a cookie holds it. */
  challenge?: string | null;
  /** Of the methods that would do. */
  method: string;
  code?: string | null;
  /** As the browser's `PublicKeyCredential.toJSON()` has it. */
  credential?: Record<string, unknown> | null;
}

export interface Factors {
  factors: Factor[];
  ways_back: Factor[];
  available: string[];
  required: boolean;
}

export interface FactorsReset {
  user: Account;
  removed: string[];
}

export interface FailingAddress {
  ip_address: string | null;
  failures: number;
  /** Existing accounts that were targeted. */
  users: number;
}

export interface FinishLoginRequest {
  /** Of the account that is made. */
  name?: string | null;
  /** Of the link. */
  token?: string | null;
  email?: string | null;
  /** Of the mail, with the `email` that it came to. */
  code?: string | null;
  /** Send the token in a cookie instead of the body, for pages in a browser. */
  cookie?: boolean;
  /** Keep the cookie and the session after the browser is closed: keep me signed in. */
  remember?: boolean;
}

export interface FoundUser {
  id: UserId;
  email: string;
  name: string;
  is_admin: boolean;
  is_active: boolean;
  created_at: string;
  email_verified: boolean;
}

export interface FoundUsers {
  users: FoundUser[];
  next_cursor: string | null;
}

export interface Invitation {
  id: number;
  email: string | null;
  status: "open" | "used" | "revoked" | "expired";
  created_at: string;
  created_by: UserId | null;
  expires_at: string;
  used_at: string | null;
  used_by: UserId | null;
  revoked_at: string | null;
}

export interface Invitations {
  invitations: Invitation[];
  next_cursor: string | null;
}

export interface LoggedOut {
  user: Account;
  sessions_revoked: number;
}

export interface LoginRequest {
  email: string;
  password: string;
  /** Send the token in a cookie instead of the body, for pages in a browser. */
  cookie?: boolean;
  /** Keep the cookie and the session after the browser is closed: keep me signed in. */
  remember?: boolean;
  /** The new password, required with a temporary one; all other sessions end. */
  new_password?: string | null;
}

export interface Me {
  user: User;
  session_info: SessionInfo;
}

export interface NewInvitation {
  invitation: Invitation;
  token: string;
  url: string;
  sent: boolean;
}

export interface NewPasskeyRequest {
  /** As the browser's `PublicKeyCredential.toJSON()` has it. */
  credential: Record<string, unknown>;
  /** Without one, that of the authenticator's model. */
  name?: string | null;
}

export interface NewTotp {
  secret: string;
  uri: string;
  qr_svg: string;
}

export interface Overview {
  at: string;
  period: Period;
  /** When the first point begins, UTC. */
  since: string;
  step_seconds: number;
  active_sessions: Count;
  active_users: Count;
  factors: FactorCounts;
  series: AllSeries;
  /** Of failed logins, last 24 hours. */
  addresses: FailingAddress[];
  /** With failed logins, last 24 hours. */
  accounts: AttackedAccount[];
  /** There were more than 10,000 failed logins: `addresses` and `accounts` are of the newest. */
  is_cut: boolean;
  database_bytes: number;
  postgresql_version: string;
  schema_version: string;
  last_cleanup_at: string | null;
  /** null if disabled or not known yet. */
  next_cleanup_at: string | null;
  oldest_event_at: string | null;
}

export interface OwnPasskey {
  id: string;
  name: string;
  authenticator: string | null;
  credential_id: string;
  transports: string[];
  is_synced: boolean;
  suffices: boolean;
  created_at: string;
  last_used_at: string | null;
  last_used_from: string | null;
}

export interface OwnPasskeys {
  passkeys: OwnPasskey[];
  accepted: Record<string, unknown> | null;
  details: Record<string, unknown> | null;
}

export interface PasskeyCreation {
  publicKey: Record<string, unknown>;
}

export interface Passkey {
  id: string;
  name: string;
}

export interface PasskeyLoginRequest {
  /** As `POST /login/passkey/options` has answered it. */
  challenge: string;
  /** As the browser's `PublicKeyCredential.toJSON()` has it. */
  credential: Record<string, unknown>;
  /** Send the token in a cookie instead of the body, for pages in a browser. */
  cookie?: boolean;
  /** Keep the cookie and the session after the browser is closed: keep me signed in. */
  remember?: boolean;
}

export interface PasskeyRequest {
  challenge: string;
  publicKey: Record<string, unknown>;
}

export interface PasskeySignUp {
  challenge: string;
  publicKey: Record<string, unknown>;
}

export interface PendingEmail {
  pending_email: string;
}

export type Period = "24h" | "7d" | "30d";

export interface RecoveryCodes {
  recovery_codes: string[];
}

export interface RegisterRequest {
  email: string;
  name: string;
  password: string;
  /** Send the token in a cookie instead of the body, for pages in a browser. */
  cookie?: boolean;
  /** Keep the cookie and the session after the browser is closed: keep me signed in. */
  remember?: boolean;
  /** The token of an invitation, required where registration is by invitation. */
  invitation?: string | null;
  /** Of `POST /register/passkey/options`; with `credential` instead of a password. */
  challenge?: string | null;
  /** As the browser's `PublicKeyCredential.toJSON()` has it. */
  credential?: Record<string, unknown> | null;
}

export interface RenamePasskeyRequest {
  name: string;
}

export interface ResetFactorsRequest {
  reason: string;
}

export interface ResetPasswordRequest {
  /** Of the link. */
  token?: string | null;
  email?: string | null;
  /** Of the mail, with the `email` that it came to. */
  code?: string | null;
  new_password: string;
}

export interface Revoked {
  sessions_revoked: number;
}

export interface Series {
  /** Counts per step, oldest first; the last is in progress. */
  points: number[];
  total: number;
  /** In the previous period, up to the same hour of its last step. */
  before: number;
}

export interface Session {
  id: number;
  session_token: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  ip_address: string | null;
  user_agent: string | null;
  is_current: boolean;
  /** Who has this session in the place of its user, where somebody has. */
  impersonator_id?: UserId | null;
}

export interface SessionInfo {
  expires_at: string;
  created_at: string;
  methods: string[];
  aal: number;
  is_fresh: boolean;
  /** Who has this session in the place of its user, where somebody has. */
  impersonator_id?: UserId | null;
}

export interface Sessions {
  sessions: Session[];
  total_active_sessions: number;
  next_cursor?: string | null;
}

export interface SetupRequest {
  email: string;
  name: string;
  password: string;
  /** Send the token in a cookie instead of the body, for pages in a browser. */
  cookie?: boolean;
  /** Keep the cookie and the session after the browser is closed: keep me signed in. */
  remember?: boolean;
  /** Of the link. */
  token: string;
}

export interface SignUpOptionsRequest {
  email: string;
  name?: string;
}

export interface SignedIn {
  token?: string;
  user: User;
  session_info: SessionInfo;
}

export interface TemporaryPassword {
  user: Account;
  password: string;
  expires_at: string;
}

export interface TokenRequest {
  token: string;
}

export interface TriedAccount {
  user_id: UserId | null;
  email: string | null;
  failed: number;
  succeeded_at: string | null;
  last_at: string;
  is_guessed: boolean;
  is_open: boolean;
}

export interface UpdateMeRequest {
  name: string;
}

export interface User {
  id: UserId;
  email: string;
  name: string;
  created_at: string;
  is_admin: boolean;
  email_verified: boolean;
}

/** Id of a user, of the type that the column users.id has. */
export type UserId = number | string;

export interface ValidationErrorInfo {
  code: "validation_failed" | "password_too_common" | "password_is_context" | "rejected_by_database";
  hint?: string | null;
  fields: Record<string, string>;
}

export interface VerifyRequest {
  /** Of the link. */
  token?: string | null;
  email?: string | null;
  /** Of the mail, with the `email` that it came to. */
  code?: string | null;
  password?: string | null;
  name?: string | null;
  /** Send the token in a cookie instead of the body, for pages in a browser. */
  cookie?: boolean;
  /** Keep the cookie and the session after the browser is closed: keep me signed in. */
  remember?: boolean;
  /** Of `POST /register/passkey/options`; with `credential` instead of a password. */
  challenge?: string | null;
  /** As the browser's `PublicKeyCredential.toJSON()` has it. */
  credential?: Record<string, unknown> | null;
}
