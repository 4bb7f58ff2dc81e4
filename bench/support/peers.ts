import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const directory = new URL('../peers/', import.meta.url);

/** Installs the packages of bench/peers where they are missing, and says so. Throws when that fails. */
export async function installPeers(): Promise<void> {
  if (existsSync(new URL('node_modules/', directory))) return;
  process.stderr.write('bench/peers has no node_modules: running npm ci there\n');
  // What npm prints must not be taken for the figures.
  const npm = spawn('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: fileURLToPath(directory),
    stdio: ['ignore', process.stderr, process.stderr],
  });
  const [code] = await once(npm, 'exit');
  if (code !== 0) throw new Error(`npm ci in bench/peers ended with code ${code}`);
}

/** A package of bench/peers, as the caller describes it: its own types need it installed, and it may not be. */
export function loadPeer<Package>(name: string): Package {
  return createRequire(directory)(name);
}
