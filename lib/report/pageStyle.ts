/** The style of a report: one column on a phone, figures side by side on a screen, light or dark as the reader's system. */
export const pageStyle = `
:root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff;--ink:#1d2126;--soft:#5b636e;--line:#dfe3e8;--accent:#2f5fb3;--mark:#eef3fb;--warn:#fff6e0;--warnline:#e0b84c}
@media (prefers-color-scheme:dark){:root{--paper:#14171b;--card:#1d2126;--ink:#e8eaed;--soft:#a2abb6;--line:#343a42;--accent:#8fb4f5;--mark:#252d3a;--warn:#322a14;--warnline:#8a6d1f}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
main{max-width:76rem;margin:0 auto;padding:1.5rem clamp(1rem,3vw,2.5rem) 3rem}
h1{font-size:clamp(1.35rem,2.6vw,1.9rem);line-height:1.2;margin:.2rem 0 .3rem;overflow-wrap:anywhere;text-wrap:balance}
h2{font-size:1.05rem;margin:0 0 .7rem}
.eyebrow{color:var(--accent);font-weight:600;font-size:.85rem;letter-spacing:.02em;margin:0}
.lead{color:var(--soft);margin:0 0 1.4rem;overflow-wrap:anywhere}
section,.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.1rem 1.2rem;margin:0 0 1.1rem}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(14.5rem,100%),1fr));gap:1rem}
.figures.one{grid-template-columns:minmax(0,34rem)}
figure{margin:0}
figure img{display:block;width:100%;height:auto;border-radius:8px}
figcaption{color:var(--soft);font-size:.875rem;margin-top:.4rem}
.pixelated img{image-rendering:pixelated}
.legend{margin:1rem 0 0;max-width:34rem;color:var(--ink)}
.legend svg{display:block;width:100%;height:auto;overflow:visible}
.note{color:var(--soft);font-size:.875rem;margin:.5rem 0 0;max-width:70ch}
.columns{columns:23rem;column-gap:1.1rem}
.columns .card{break-inside:avoid}
.part+.part{margin-top:1.6rem}
table{border-collapse:collapse;width:100%;font-size:.925rem}
th,td{text-align:left;padding:.32rem .5rem .32rem 0;border-top:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere;unicode-bidi:isolate}
tr:first-child>th,tr:first-child>td{border-top:0}
th{font-weight:500;color:var(--soft)}
.facts th{width:38%;min-width:8.6rem;padding-right:1rem}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;padding:.32rem 0 .32rem .7rem}
td.bar{width:22%;min-width:3.5rem}
td.bar svg{display:block;width:100%;height:.7rem;margin-top:.4rem}
tr.explained td{background:var(--mark);font-weight:600}
tr.explained td:first-child{box-shadow:inset 3px 0 var(--accent);padding-left:.6rem}
.warning{background:var(--warn);border:1px solid var(--warnline);border-radius:10px;padding:.6rem .9rem;margin:0 0 .8rem;overflow-wrap:anywhere}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.tokens{line-height:2;font-size:1.05rem;overflow-wrap:anywhere;white-space:pre-wrap;margin:0}
.tokens span.added{font-style:italic;opacity:.75;margin-inline:.25em}
.tokens span{padding:.12em .1em;border-radius:4px;box-decoration-break:clone;-webkit-box-decoration-break:clone}
footer{color:var(--soft);font-size:.85rem;margin-top:1.4rem}
@media print{body{background:#fff}section,.card{break-inside:avoid}}
`
  .trim()
  .replaceAll('\n', '')
