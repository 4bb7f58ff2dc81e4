export interface Rounds<Member> {
  /** Visits it from now on, first within one interval. */
  add(member: Member): void;
  delete(member: Member): void;
  stop(): void;
}

/** Into how many slices a round is cut, so that thousands of visits do not hold up everything else. */
const slices = 48;

/** Visits every member once in `intervalMs`, with one timer for all of them. */
export function startRounds<Member>(intervalMs: number, visit: (member: Member) => void): Rounds<Member> {
  const members = Array.from({ length: slices }, () => new Set<Member>());
  let slice = 0;
  let last = 0;
  const timer = setInterval(() => {
    slice = (slice + 1) % slices;
    for (const member of members[slice] ?? []) visit(member);
  }, intervalMs / slices);
  return {
    add: (member) => {
      last = (last + 1) % slices;
      members[last]?.add(member);
    },
    delete: (member) => {
      for (const some of members) some.delete(member);
    },
    stop: () => clearInterval(timer),
  };
}
