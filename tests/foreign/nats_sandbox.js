// A sandbox in JavaScript over NATS: node nats_sandbox.js PROTO_FOLDER URL SESSION WINDOWS
// Messages are made by proto-loader's parser of proto/, published into JetStream, and the answers are heard on the bus.
"use strict";
const protobuf = require("protobufjs");
const { connect } = require("nats");

const [proto, url, session, windows] = process.argv.slice(2);
const about = { sessionId: session, sandboxId: "node" };
const root = new protobuf.Root();
root.resolvePath = (_, target) => `${proto}/${target}`;
for (const name of ["action", "episode", "feedback", "telemetry"]) root.loadSync(`drlactors/v1/${name}.proto`);
const type = (name) => root.lookupType(`drlactors.v1.${name}`);
const made = (name, fields) => type(name).encode(type(name).fromObject(fields)).finish();
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");

async function main() {
  const [, token, host] = url.match(/^nats:\/\/(?:([^@]*)@)?(.*)$/);
  const bus = await connect({ servers: host, token });
  const stream = bus.jetstream();
  let number = 0;
  const say = (kind, data) => stream.publish(`drl.v1.${kind}.${session}`, data, { msgID: `${session}.${++number}` });

  const answered = new Set(), done = new Set();
  const complete = new Promise((resolve) => {
    bus.subscribe(`drl.v1.action.${session}`, {
      callback: (_, message) => {
        for (const decision of type("Actions").decode(message.data).decisions) {
          answered.add(Number(decision.seq));
          if (decision.answerExpected) {
            if (!done.has(decision.actionId)) tell({ carried_out: decision.action, seq: Number(decision.seq) });
            done.add(decision.actionId);
            const { actionId, seq } = decision;
            say("feedback", made("Feedback", { ...about, actionId, seq, success: true, outcome: "done" }));
          }
          if (answered.size === Number(windows)) resolve();
        }
      },
    });
  });
  const artifact = { sha256: "ab".repeat(32), kind: "elf" };
  await say("episode", made("Episode", { start: { ...about, stage: 1, artifact, windowMs: 250 } }));
  for (let seq = 0; seq < Number(windows); seq++) {
    const telemetry = {
      syscallCount: 5000, fileWriteCount: 2000, fileDeleteCount: 2000, bytesSent: 1000000,
      accessedPaths: ["/home/u/.ssh/id_rsa"], codeInjectionDetected: true, privilegeEscalationAttempt: true,
    };
    const window = { seq, windowMs: 250, observedUs: Date.now() * 1000, telemetry };
    await say("telemetry", made("Windows", { ...about, windows: [window] }));
  }
  await complete;
  await say("episode", made("Episode", { report: { ...about, outcome: "OUTCOME_MALICIOUS", detail: "said by node" } }));
  await say("episode", made("Episode", { end: { ...about, reason: "END_REASON_TERMINATED" } }));
  tell({ answered: answered.size, said: number });
  await bus.drain();
}

main().catch((error) => { tell({ failed: String(error) }); process.exitCode = 1; });
