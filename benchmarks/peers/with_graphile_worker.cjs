// graphile-worker at its documented best: jobs fetched into a local queue, completions batched.

const { Logger, makeWorkerUtils, run, runMigrations } = require("graphile-worker");
const { Pool } = require("pg");
const { begin, chunks, count, main, ping, timed } = require("./talk.cjs");

const logger = new Logger(() => () => {});
const options = (address) => ({ pgPool: new Pool({ ...address, max: 20 }), logger });

main({
  async install(address) {
    await runMigrations(options(address));
  },

  async single(address, jobs) {
    const utils = await makeWorkerUtils(options(address));
    await timed(async () => {
      for (let n = 0; n < jobs; n++) await utils.addJob("bench", { order: 42 });
    });
  },

  async bulk(address, jobs) {
    const utils = await makeWorkerUtils(options(address));
    const job = { identifier: "bench", payload: { order: 42 } };
    await timed(async () => {
      for (const chunk of chunks(jobs)) await utils.addJobs(Array(chunk).fill(job));
    });
  },

  async pings(address, jobs) {
    const utils = await makeWorkerUtils(options(address));
    await ping(jobs, 50, () => utils.addJob("bench", { order: 42 }));
  },

  async work(address, mode) {
    const each = mode === "each";
    await begin();
    await run({
      ...options(address),
      noHandleSignals: true,
      concurrency: 24,
      pollInterval: 2000,
      preset: each ? {} : { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
      taskList: { bench: () => count(1, each) },
    });
  },
});
