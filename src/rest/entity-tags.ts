/** True when `If-None-Match` names the tag: a list, compared weakly, or `*` (RFC 9110, section 13.1.2). */
export function matchesTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header === tag || header.trim() === '*' || namesTag(header, tag);
}

/** The same, where `*` stands for no tag in particular. */
export function namesTag(header: string | undefined, tag: string): boolean {
  // Our tags hold no comma; one of somebody else's that does is only cut into pieces, none of which is ours.
  const given = (header ?? '').split(',').map((item) => item.trim().replace(/^W\//, ''));
  return given.includes(tag);
}
