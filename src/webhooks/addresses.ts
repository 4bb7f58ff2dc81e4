import { lookup } from 'node:dns/promises';
import { type BlockList, isIP, isIPv4 } from 'node:net';
import { readNetworks } from '../address.ts';

/** Internal networks that webhooks may go to all the same. */
export type Networks = BlockList;

export interface Address {
  readonly address: string;
  readonly family: number;
  /** In one of the internal networks that are allowed: there plain HTTP is taken too. */
  readonly isInternal: boolean;
}

/** The address of a receiver is internal, or reserved for something else than hosts of the Internet. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused';
}

/** Every address of a host, all of them allowed. Throws AddressRefused when one is not, and what the resolver throws. */
export async function resolveAllowed(hostname: string, networks: Networks): Promise<readonly Address[]> {
  const found = await lookup(bare(hostname), { all: true });
  return found.map(({ address, family }) => ({ address, family, isInternal: checkAddress(address, networks) }));
}

/** True when a host is written as an address, and one that is refused. */
export function isRefusedLiteral(hostname: string, networks: Networks): boolean {
  const address = bare(hostname);
  return isIP(address) !== 0 && !isIn(networks, address) && isInternal(address);
}

/** Whether it is in an internal network that is allowed. Throws AddressRefused in any other one. */
function checkAddress(address: string, networks: Networks): boolean {
  if (isIn(networks, address)) return true;
  if (isInternal(address)) throw new AddressRefused(`${address} is no public address`);
  return false;
}

function isInternal(address: string): boolean {
  if (isIPv4(address)) return isIn(refused, address);
  return !isIn(globalUnicast, address) || isIn(refused, address);
}

/** Without the brackets of an IPv6 address in a URL. */
function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv4(address) ? 'ipv4' : 'ipv6';
}

/** Of IPv6 only these can be public: neither loopback, link-local, ULA and multicast nor what maps or translates to IPv4. */
const globalUnicast = readNetworks(['2000::/3']);

/** The special-purpose registries of IANA, and the host agent of Azure, which has a public address. */
const refused = readNetworks([
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4', '168.63.129.16'],
  ...['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
]);
