// A script's side of the talk with the coordinator; benchmarks/crew.py says how it goes.

const { once } = require("node:events");
const { writeSync } = require("node:fs");
const { setTimeout: sleep } = require("node:timers/promises");

let done = 0;
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const tell = () => writeSync(1, `${done} ${seconds()}\n`);

// Says that all is loaded, waits for the word, and from then on tells every 20 ms.
async function begin() {
  writeSync(1, "ready\n");
  await once(process.stdin, "data");
  setInterval(tell, 20);
}

// Counts jobs; `each`: and tells at once.
function count(jobs, each) {
  done += jobs;
  if (each) tell();
}

// Prints the seconds that the work took.
async function timed(work) {
  const at = seconds();
  await work();
  console.log(seconds() - at);
}

// Enqueues some with pauses, and prints when it began with each.
async function ping(jobs, pause, enqueue) {
  for (let n = 0; n < jobs; n++) {
    await sleep(pause);
    console.log(seconds());
    await enqueue();
  }
}

// Numbers of jobs by 10,000.
function* chunks(jobs) {
  for (; jobs > 0; jobs -= 10000) yield Math.min(jobs, 10000);
}

// Runs the command that the first argument names.
async function main(commands) {
  const [, , command, dsn, argument] = process.argv;
  const words = dsn.split(" ").map((word) => word.split("="));
  const { host, port, user, dbname } = Object.fromEntries(words);
  const address = { host, port: Number(port), user, database: dbname };
  await commands[command](address, command === "work" ? argument : Number(argument));
  if (command !== "work") process.exit(0);
}

process.on("SIGTERM", () => process.exit(0));

module.exports = { begin, chunks, count, main, ping, timed };
