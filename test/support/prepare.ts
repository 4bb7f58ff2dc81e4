// `npm test` runs this first: it installs what the tests run besides npm packages, where it may, and else says what to install.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

interface Need {
  /** Names under which it may be on the path. */
  readonly programs: readonly string[];
  /** A setting that points to one elsewhere. */
  readonly setting: string;
  readonly debianPackage: string;
  readonly install: string;
}

const needs: readonly Need[] = [
  {
    programs: ['redis-server'],
    setting: 'REDIS_URL',
    debianPackage: 'redis-server',
    install: 'redis-server (Debian: apt-get install redis-server, macOS: brew install redis), or set REDIS_URL',
  },
  {
    programs: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    setting: 'CHROMIUM_PATH',
    debianPackage: 'chromium',
    install: 'chromium (Debian: apt-get install chromium, macOS: brew install chromium), or set CHROMIUM_PATH',
  },
];

const installMs = 15 * 60_000;

const missing = needs.filter(isMissing);
if (missing.length > 0 && process.getuid?.() === 0 && isOnPath('apt-get')) installDebian(missing);
const stillMissing = needs.filter(isMissing);
if (stillMissing.length > 0) {
  console.error(`The tests need ${stillMissing.map((need) => need.install).join('; ')}.`);
  process.exitCode = 1;
}

function isMissing(need: Need): boolean {
  return !process.env[need.setting] && !need.programs.some(isOnPath);
}

function isOnPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((directory) => isExecutable(join(directory, program)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function installDebian(wanted: readonly Need[]): void {
  const packages = wanted.map((need) => need.debianPackage);
  console.error(`Installing ${packages.join(' and ')} for the tests …`);
  if (run(['update', '-q'])) run(['install', '-q', '-y', '--no-install-recommends', ...packages]);
}

function run(args: readonly string[]): boolean {
  // RUNLEVEL keeps the installed server from being started as a service.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const { status, stdout, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8', timeout: installMs });
  if (status !== 0) console.error(`apt-get ${args.join(' ')} failed:\n${stdout.slice(-2_000)}${stderr}`);
  return status === 0;
}
