// stdin: [code, …]; stdout: for each the code of the class that the browser SDK makes of it, or null: [[general, precise], …]
"use strict";

const { getPreciseSignalingErrorByCode } = require(
  require("node:path").join(__dirname, "node_modules/@twilio/voice-sdk/es5/twilio/errors/index.js"),
);

function made(precise, code) {
  const Made = getPreciseSignalingErrorByCode(precise, code);
  return Made ? new Made().code : null;
}

let input = "";
process.stdin.on("data", (data) => { input += data; });
process.stdin.on("end", () =>
  process.stdout.write(JSON.stringify(JSON.parse(input).map((code) => [made(false, code), made(true, code)]))));
