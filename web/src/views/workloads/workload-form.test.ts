import { describe, expect, it } from "vitest";

import type { Workload } from "../../api/records";
import { changes, EMPTY, formOf, wishOf } from "./workload-form";
import { pushLines } from "./push-lines";

const shop: Workload = {
  id: "w1",
  name: "shop",
  clusterId: "c1",
  replicas: 3,
  deployOnPush: false,
  mode: "WORKLOAD_MODE_REPLICATED",
  category: "WORKLOAD_CATEGORY_WORKLOAD",
  webPort: 8080,
  domains: [{ name: "shop.example.org", port: 0, protocol: "https" }],
  environment: { B: "2", A: "1" },
  command: ["node", "main.js"],
  resources: { cpuLimit: 1.5, memoryLimitBytes: String(512 * 1024 * 1024) },
  healthCheck: { command: ["curl", "localhost"], intervalSeconds: 10 },
};

describe("the form of a workload", () => {
  it("shows what is set and leaves defaults empty", () => {
    const form = formOf(shop);
    expect(form).toMatchObject({ replicas: "3", deployOnPush: "no", webPort: "8080", cpuLimit: "1.5", cpuReservation: "", memoryLimit: "512", command: "node\nmain.js", healthTimeout: "" });
    expect(form.environment).toEqual([{ name: "A", value: "1" }, { name: "B", value: "2" }]);
    expect(form.domains).toEqual([{ name: "shop.example.org", port: "", protocol: "https" }]);
  });

  it("changes nothing when nothing was changed", () => {
    const wish = wishOf(formOf(shop));
    expect(changes(wish, wishOf(formOf({ ...shop, environment: { A: "1", B: "2" } })))).toEqual({});
  });

  it("sends the changed fields and no others", () => {
    const before = wishOf(formOf(shop));
    const after = wishOf({ ...formOf(shop), replicas: "5", memoryLimit: "", cpuLimit: "", environment: [{ name: "A", value: "1" }] });
    expect(changes(before, after)).toEqual({ replicas: 5, environment: { A: "1" }, resources: null });
  });

  it("takes rows without a name for no rows, and an empty health command for no check", () => {
    const wish = wishOf({ ...formOf(shop), environment: [{ name: " ", value: "x" }], domains: [{ name: "", port: "80", protocol: "http" }], healthCommand: "\n" });
    expect(wish).toMatchObject({ environment: {}, domains: [], healthCheck: null });
  });

  it("wishes for one replicated instance of a pushed image when only a name and a cluster are given", () => {
    expect(wishOf({ ...EMPTY, name: " api ", clusterId: "c1" })).toMatchObject({ name: "api", clusterId: "c1", replicas: 1, deployOnPush: true, image: "", resources: null, updateStrategy: null });
  });

  it("keeps zero replicas as zero", () => {
    expect(wishOf({ ...EMPTY, replicas: "0" }).replicas).toBe(0);
  });

  it("drops the other source's fields", () => {
    expect(wishOf({ ...EMPTY, source: "elsewhere", image: "nginx:1.29", tag: "latest" })).toMatchObject({ image: "nginx:1.29", tag: "" });
    expect(wishOf({ ...EMPTY, source: "pushed", image: "nginx:1.29", tag: "main" })).toMatchObject({ image: "", tag: "main" });
  });
});

it("makes the lines that push an image to a workload", () => {
  expect(pushLines("cloud.example.org:8443/workloads/shop-abc", "", "admin").split("\n")).toEqual([
    "docker login cloud.example.org:8443 -u admin",
    "docker tag YOUR_IMAGE cloud.example.org:8443/workloads/shop-abc:latest",
    "docker push cloud.example.org:8443/workloads/shop-abc:latest",
  ]);
});

it("demands signatures by the keys that were pasted, and keeps keys that are not demanded for now", () => {
  const keys = ["-----BEGIN PUBLIC KEY-----\nA\n-----END PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\nB\n-----END PUBLIC KEY-----"];
  expect(wishOf(EMPTY).signaturePolicy).toBeNull();
  expect(wishOf({ ...EMPTY, signed: "yes", publicKeys: keys.join("\n\n") }).signaturePolicy).toEqual({ required: true, publicKeys: keys });
  const workload: Workload = { id: "w", name: "web", clusterId: "c", signaturePolicy: { publicKeys: keys } };
  expect(formOf(workload).signed).toBe("no");
  expect(wishOf(formOf(workload)).signaturePolicy).toEqual({ required: false, publicKeys: keys });
});
