// The lines that log in to the registry and push an image to a workload. Pure.

export function pushLines(target: string, tag: string, username: string): string {
  const host = target.split("/")[0] ?? "";
  const whole = `${target}:${tag === "" ? "latest" : tag}`;
  return [`docker login ${host} -u ${username}`, `docker tag YOUR_IMAGE ${whole}`, `docker push ${whole}`].join("\n");
}
