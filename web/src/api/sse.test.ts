import { describe, expect, it } from "vitest";

import { EventParser } from "./sse";

describe("a stream of events", () => {
  it("gives an event when its empty line has come, however the bytes were cut", () => {
    const whole = "event: changed\nid: 7\ndata: {\"a\":\ndata: 1}\n\nevent: bookmark\nid: 8\ndata: {}\n\n";
    for (let cut = 1; cut < whole.length; cut += 1) {
      const parser = new EventParser();
      const events = [...parser.push(whole.slice(0, cut)), ...parser.push(whole.slice(cut))];
      expect(events).toEqual([
        { event: "changed", id: "7", data: '{"a":\n1}' },
        { event: "bookmark", id: "8", data: "{}" },
      ]);
    }
  });

  it("takes LF, CR and CRLF, also a CRLF cut in two", () => {
    const parser = new EventParser();
    expect(parser.push("data: a\r")).toEqual([]);
    expect(parser.push("\n\r\ndata: b\r\rdata: c\n\n")).toMatchObject([{ data: "a" }, { data: "b" }, { data: "c" }]);
  });

  it("ignores comments and unknown fields, and events without data", () => {
    expect(new EventParser().push(": beat\n\nid: 3\n\nfoo: bar\nevent: changed\n\n")).toEqual([]);
  });

  it("keeps the last id for events that carry none, and refuses one with a NUL", () => {
    const parser = new EventParser();
    expect(parser.push("id: 3\ndata: a\n\nid: 4\0\ndata: b\n\n")).toMatchObject([{ id: "3" }, { id: "3" }]);
  });

  it("names an event without a name message, and takes away one space only", () => {
    expect(new EventParser().push("data:  x\n\n")).toEqual([{ event: "message", data: " x", id: "" }]);
  });

  it("remembers how long the server wants reconnects to wait", () => {
    const parser = new EventParser();
    parser.push("retry: 2500\nretry: soon\n\n");
    expect(parser.retry).toBe(2500);
  });
});
