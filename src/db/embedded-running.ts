import { clusterUrl, database, findCluster } from './embedded-cluster.ts';
import { isPostmaster, readPostmaster } from './embedded-left.ts';
import { findHome } from './embedded-place.ts';

/** The URL of the embedded Postgres that runs for this data directory; undefined when none does. It only looks, and holds the
 *  password: never log it. */
export async function findRunningPostgres(dataDir: string): Promise<string | undefined> {
  const home = await findHome(dataDir);
  const cluster = home && (await findCluster(home));
  if (!cluster) return undefined;
  const postmaster = await readPostmaster(cluster.dataPath);
  if (postmaster?.status !== 'ready' || !(await isPostmaster(postmaster.pid, cluster.dataPath))) return undefined;
  return clusterUrl(cluster, postmaster.port, database);
}
