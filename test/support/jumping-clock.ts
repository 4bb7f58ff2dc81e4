// Preloaded into a process (`node --import`): its clock jumps a day ahead, a day back and home again, several times a second,
// and it logs `clock.told` each time.
const home = Date.now.bind(Date);
const dayMs = 86_400_000;
const jumpMs = 150;
const offsets = [dayMs, -dayMs, 0];
const now = () => home() + (offsets[Math.floor(performance.now() / jumpMs) % offsets.length] ?? 0);

globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
});

const tell = () => process.stderr.write(`${JSON.stringify({ event: 'clock.told', time: new Date().toISOString() })}\n`);
setInterval(tell, jumpMs).unref();
