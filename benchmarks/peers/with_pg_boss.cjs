// pg-boss: `work` polls at most twice a second, so what drains fast is its documented pair of fetch and complete.

const PgBoss = require("pg-boss");
const { begin, chunks, count, main, ping, timed } = require("./talk.cjs");

const quiet = { supervise: false, schedule: false };

async function connect(address) {
  const boss = new PgBoss({ ...address, ...quiet, max: 20 });
  boss.on("error", console.error);
  await boss.start();
  return boss;
}

main({
  async install(address) {
    const boss = await connect(address);
    await boss.createQueue("bench");
  },

  async single(address, jobs) {
    const boss = await connect(address);
    await timed(async () => {
      for (let n = 0; n < jobs; n++) await boss.send("bench", { order: 42 });
    });
  },

  async bulk(address, jobs) {
    const boss = await connect(address);
    const job = { name: "bench", data: { order: 42 } };
    await timed(async () => {
      for (const chunk of chunks(jobs)) await boss.insert(Array(chunk).fill(job));
    });
  },

  async pings(address, jobs) {
    const boss = await connect(address);
    await ping(jobs, 700, () => boss.send("bench", { order: 42 }));
  },

  async work(address, mode) {
    await begin();
    const boss = await connect(address);
    if (mode === "each") {
      await boss.work("bench", { pollingIntervalSeconds: 0.5 }, async (jobs) => count(jobs.length, true));
      return;
    }
    const loop = async () => {
      for (;;) {
        const jobs = await boss.fetch("bench", { batchSize: 2000 });
        if (!jobs.length) return;
        await boss.complete("bench", jobs.map((job) => job.id));
        count(jobs.length);
      }
    };
    await Promise.all([loop(), loop()]);
  },
});
