import { readdir, readFile } from 'node:fs/promises';

/** Milliseconds that the process has spent on processors, all its threads together, to the microsecond (Linux). */
export async function readProcessorMs(pid: number): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const spent = await Promise.all(threads.map((thread) => readThreadNs(`/proc/${pid}/task/${thread}/schedstat`)));
  return spent.reduce((sum, ns) => sum + ns, 0) / 1e6;
}

async function readThreadNs(path: string): Promise<number> {
  const [ns] = (await readFile(path, 'utf8')).split(' ');
  return Number(ns);
}

/** Resident memory of the process now, and its largest, in KiB (Linux). */
export async function readMemoryKiB(pid: number): Promise<{ now: number; peak: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const read = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

/** Resident memory that the process shares with nobody, in KiB (Linux); 0 when it has gone. */
export async function readPrivateKiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0);
}
