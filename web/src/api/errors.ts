// One error for all calls: what the gateway says in problem+json (RFC 9457), or that it could not be reached.

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  reason?: string;
  requestId?: string;
  action?: string;
  violations?: { field: string; description: string }[];
  metadata?: Record<string, string>;
}

export class ApiError extends Error {
  override readonly name = "ApiError";
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** What the reader can do about it. */
  readonly action: string;
  /** UPPER_SNAKE, from the catalogue in proto/cloudly/errors/v1/reason.proto, without the prefix. */
  readonly reason: string;
  readonly requestId: string;
  /** What is wrong by field, in the names of JSON ("webPort"). */
  readonly violations: ReadonlyMap<string, string>;
  /** When it is worth trying again; undefined where the server says none. */
  readonly retryTime: Date | undefined;

  constructor(private readonly problem: Problem) {
    const title = problem.title ?? "Cloudly refused the request";
    const detail = problem.detail ?? "";
    super(detail === "" ? title : `${title}: ${detail}`);
    this.status = problem.status ?? 0;
    this.title = title;
    this.detail = detail;
    this.reason = (problem.reason ?? "").replace(/^REASON_/, "");
    this.requestId = problem.requestId ?? "";
    this.violations = new Map((problem.violations ?? []).map(({ field, description }) => [fieldName(field), description]));
    const wait = Number(problem.metadata?.retryAfterSeconds ?? 0);
    this.retryTime = wait > 0 ? new Date(Date.now() + wait * 1000) : undefined;
    // The time itself is shown in place of the advice to wait for it.
    this.action = this.retryTime ? "" : (problem.action ?? "");
  }

  /** The same refusal in words for the person before it. */
  reworded(words: { title: string; detail?: string; action?: string }): ApiError {
    return new ApiError({ ...this.problem, requestId: "", detail: "", action: "", ...words });
  }

  /** The resource changed between reading and writing (RFC 9110 §13.1.1). */
  get stale(): boolean {
    return this.reason === "STALE_ETAG" || this.status === 412;
  }

  get notFound(): boolean {
    return this.status === 404;
  }
}

/** The error that a response which is not a success stands for. */
export async function problemOf(response: Response): Promise<ApiError> {
  const fallback: Problem = {
    status: response.status,
    title: `The server answered ${response.status}`,
    detail: response.statusText,
  };
  if (!(response.headers.get("content-type") ?? "").includes("json")) return new ApiError(fallback);
  try {
    return new ApiError({ ...fallback, ...((await response.json()) as Problem) });
  } catch (error) {
    if (error instanceof SyntaxError) return new ApiError(fallback);
    throw error;
  }
}

/** The error for a server that cannot be reached. */
export function unreachable(cause: unknown): ApiError {
  const error = new ApiError({
    title: "Cloudly does not answer",
    detail: "The request got no answer.",
    action: "Check the connection; what you entered is still here, so try again.",
    reason: "UNREACHABLE",
  });
  error.cause = cause;
  return error;
}

/** Whatever was thrown, as an ApiError to show; a fault of the dashboard itself names itself as that. */
export function asApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  return new ApiError({ title: "The dashboard failed", detail: String(thrown), action: "Reload the page; if it stays, report it." });
}

/** `workload.web_port` -> `webPort`; `workload.domains[0].name` -> `domains[0].name`. */
export function fieldName(path: string): string {
  const camel = path.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return camel.replace(/^(cluster|workload|image|externalRegistry|user|invitation|token|passkey|oidcProvider|webhook)\./, "");
}
