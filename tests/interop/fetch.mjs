// Asks what standard input says, with Node's own fetch, and writes what came.
import { readFileSync } from "node:fs";

const { base, asks } = JSON.parse(readFileSync(0, "utf8"));
const answers = [];
for (const ask of asks) {
  const body = ask.body === null ? undefined : Buffer.from(ask.body, "base64");
  const answer = await fetch(base + ask.path, { method: ask.method, headers: ask.fields, body, redirect: "manual" });
  const bytes = Buffer.from(await answer.arrayBuffer());
  answers.push([answer.status, [...answer.headers], bytes.toString("base64")]);
}
console.log(JSON.stringify(answers));
