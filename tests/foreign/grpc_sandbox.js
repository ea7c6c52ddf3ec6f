// A sandbox in JavaScript over gRPC, made from proto/ alone: node grpc_sandbox.js PROTO_FOLDER ADDRESS SESSION WINDOWS
// It prints what it was told as lines of JSON, carries each action out once, and ends when every window is answered.
"use strict";
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [proto, address, session, windows] = process.argv.slice(2);
const about = { session_id: session, sandbox_id: "node" };
const definition = loader.loadSync("drlactors/v1/gateway.proto", {
  includeDirs: [proto], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true,
});
const { Gateway } = grpc.loadPackageDefinition(definition).drlactors.v1;
const gateway = new Gateway(address, grpc.credentials.createInsecure());
const deadline = () => ({ deadline: Date.now() + 30000 });
const tell = (what) => process.stdout.write(JSON.stringify(what) + "\n");

function call(name, message) {
  return new Promise((resolve, reject) =>
    gateway[name](message, deadline(), (error, answer) => (error ? reject(error) : resolve(answer))));
}

async function main() {
  const start = { ...about, stage: 1, artifact: { sha256: "ab".repeat(32), kind: "elf" }, window_ms: 250 };
  const refused = await call("StartSession", { ...start, stage: 3 }).catch((error) => error);
  tell({ refused: refused.code, details: refused.metadata.get("grpc-status-details-bin").length });
  await call("StartSession", start);

  const stream = gateway.Converse();
  const answered = new Set(), done = new Set(), stored = new Set();
  let number = 0;
  const say = (what) => stream.write({ said: [{ number: ++number, ...what }] });
  const complete = new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.on("data", (told) => {
      told.stored.forEach((one) => stored.add(one));
      told.declined.forEach((one) => tell({ declined: one.reason }));
      for (const actions of told.actions) {
        for (const decision of actions.decisions) {
          answered.add(decision.seq);
          if (!decision.answer_expected) continue;
          if (!done.has(decision.action_id)) tell({ carried_out: decision.action, seq: decision.seq });
          done.add(decision.action_id);
          say({ feedback: { ...about, action_id: decision.action_id, seq: decision.seq, success: true, outcome: "done" } });
        }
      }
      if (answered.size === Number(windows)) resolve();
    });
  });
  for (let seq = 0; seq < Number(windows); seq++) {
    const telemetry = {
      syscall_count: 5000, file_write_count: 2000, file_delete_count: 2000, bytes_sent: 1000000,
      accessed_paths: ["/home/u/.ssh/id_rsa"], code_injection_detected: true, privilege_escalation_attempt: true,
    };
    say({ windows: { ...about, windows: [{ seq, window_ms: 250, observed_us: Date.now() * 1000, telemetry }] } });
  }
  await complete;
  await call("ReportOutcome", { ...about, outcome: "OUTCOME_MALICIOUS", detail: "said by node" });
  await call("EndSession", { ...about, reason: "END_REASON_TERMINATED" });
  stream.end();
  await new Promise((resolve) => stream.on("end", resolve).on("status", resolve));
  tell({ answered: answered.size, stored: stored.size, said: number });
}

main().catch((error) => { tell({ failed: String(error) }); process.exitCode = 1; }).finally(() => gateway.close());
