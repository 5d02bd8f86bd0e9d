// Server-sent events out of a byte stream (WHATWG HTML §9.2.6). EventSource cannot send an Authorization header, so the
// dashboard reads the stream itself.

export interface ServerEvent {
  /** The event's name; "message" when the stream named none. */
  event: string;
  data: string;
  /** The last id seen up to this event. */
  id: string;
}

/** Feeds on text in any cut and gives the events that became whole. */
export class EventParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private id = "";
  /** What the server asked for between reconnects, in milliseconds. */
  retry: number | undefined;

  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    this.rest += text;
    for (;;) {
      const end = this.lineEnd();
      if (end === undefined) return events;
      const line = this.rest.slice(0, end.at);
      this.rest = this.rest.slice(end.next);
      const event = this.line(line);
      if (event) events.push(event);
    }
  }

  /** A line ends with LF, CR or CRLF; a CR at the very end may be half of a CRLF, so it waits. */
  private lineEnd(): { at: number; next: number } | undefined {
    const at = this.rest.search(/[\r\n]/);
    if (at === -1) return undefined;
    if (this.rest[at] === "\n") return { at, next: at + 1 };
    if (at + 1 === this.rest.length) return undefined;
    return { at, next: this.rest[at + 1] === "\n" ? at + 2 : at + 1 };
  }

  private line(line: string): ServerEvent | undefined {
    if (line === "") return this.dispatch();
    if (line.startsWith(":")) return undefined;
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
    return undefined;
  }

  private dispatch(): ServerEvent | undefined {
    const { event, data, id } = this;
    this.event = "";
    this.data = [];
    // An id alone moves the cursor but is no event.
    return data.length === 0 ? undefined : { event: event === "" ? "message" : event, data: data.join("\n"), id };
  }
}
