/** The page's only style: readable from a phone to a desktop, in light and in dark. */
export const style = `
:root {
  color-scheme: light dark;
  --text: light-dark(#1b1f24, #e6e9ee);
  --quiet: light-dark(#525b66, #a8b1bd);
  --ground: light-dark(#fff, #14171b);
  --raised: light-dark(#f3f5f8, #1e2329);
  --line: light-dark(#d5dae1, #343b44);
  --link: light-dark(#0b57b7, #8ab8ff);
  --good: light-dark(#1a6b34, #7ddc9b);
  --bad: light-dark(#a3261c, #ff9c92);
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; }
body {
  margin: 0 auto; padding: 1rem clamp(1rem, 4vw, 3rem) 4rem; max-width: 72rem;
  font: 1rem/1.55 system-ui, sans-serif; color: var(--text); background: var(--ground); overflow-wrap: anywhere;
}
h1 { font-size: 1.9rem; margin: .5rem 0; }
h2 { font-size: 1.35rem; margin: 2.2rem 0 .4rem; }
h3 { font: inherit; font-weight: 600; display: inline; margin: 0; }
h4 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .4rem 0; max-width: 46rem; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -999px; }
.skip:focus { position: static; }
nav a { display: inline-block; margin: .2rem .8rem .2rem 0; padding: .2rem 0; }
.groups {
  position: sticky; top: 0; z-index: 1; background: var(--ground); border-bottom: 1px solid var(--line);
  white-space: nowrap; overflow-x: auto; scrollbar-width: thin;
}
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; }
summary { cursor: pointer; padding: .6rem .8rem; }
details[open] > summary { border-bottom: 1px solid var(--line); background: var(--raised); border-radius: .5rem .5rem 0 0; }
details > div { padding: .2rem .8rem .8rem; }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; }
.get { color: var(--link); }
.post, .put { color: var(--good); }
.delete { color: var(--bad); }
.path { font-weight: 600; }
.what { display: block; color: var(--quiet); }
.facts, .type, .media, footer { color: var(--quiet); }
.media { margin-bottom: 0; font-size: .9rem; }
.s2, .s3 { color: var(--good); }
.s4, .s5 { color: var(--bad); }
code, pre { font-family: ui-monospace, monospace; font-size: .92em; }
pre {
  background: var(--raised); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem; margin: .4rem 0;
  white-space: pre-wrap;
}
dl { margin: .2rem 0; }
dl > div { border-top: 1px solid var(--line); padding: .35rem 0; }
dt b { font-weight: 600; }
dd { margin: 0 0 0 1rem; }
dd dl { border-left: 3px solid var(--line); padding-left: .7rem; }
`;
