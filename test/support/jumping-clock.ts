// Preloaded into a process (`node --import`): its clock jumps a day ahead, a day back and home again, several times a second.
const home = Date.now.bind(Date);
const dayMs = 86_400_000;
const offsets = [dayMs, -dayMs, 0];
const now = () => home() + (offsets[Math.floor(performance.now() / 150) % offsets.length] ?? 0);

globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
});
