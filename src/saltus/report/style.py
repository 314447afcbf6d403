"""How the page looks: one style sheet, light and dark by what the reader prefers, from a phone's width up.

Blue and orange (and green for a third) are told apart by all common kinds of colour blindness; lines also differ in their dashes.
Source of the colours: Okabe and Ito, "Color universal design", 2008, lightened for the dark form.
"""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#fbfbf9;--card:#fff;--text:#1b1e22;--soft:#5b636d;--line:#dfe2e6;--faint:#eef0f2;
--a:#0072b2;--b:#d55e00;--c:#00815f;--n:#8b939c;--over:#fff}
@media (prefers-color-scheme:dark){:root{--page:#14171b;--card:#1b1f24;--text:#e7e9ec;--soft:#9ba4af;--line:#333a43;--faint:#262c33;
--a:#56b4e9;--b:#f09a4a;--c:#3cc49a;--n:#7c8590;--over:#10151a}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
font-variant-numeric:tabular-nums}
main,header,footer{max-width:1040px;margin:0 auto;padding:0 20px}
header{padding-top:44px}
h1{font-size:2rem;line-height:1.2;letter-spacing:-.02em;font-weight:680;margin:.1em 0 .4em;overflow-wrap:anywhere}
h2{font-size:1.3rem;letter-spacing:-.01em;font-weight:660;margin:0 0 .5em}
h3{font-size:1rem;font-weight:640;margin:1.8em 0 .5em}
p{margin:.5em 0;max-width:44em}
.over{font-size:.85rem;color:var(--soft);margin:0}
.lead{font-size:1.2rem;line-height:1.5;margin:.4em 0 1.2em}
.soft,small{color:var(--soft)}
small{font-size:.84rem}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:26px 0 0;padding:10px 0;border-top:1px solid var(--line);
border-bottom:1px solid var(--line);font-size:.92rem}
a{color:var(--a);text-decoration:none}a:hover{text-decoration:underline}
section{padding:34px 0 10px;border-bottom:1px solid var(--line)}
section:last-of-type{border-bottom:0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:0 0 18px}
.tile{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.tile span{display:block;font-size:.84rem;color:var(--soft)}
.about{display:block;line-height:1.35;max-width:24em;white-space:normal}
.tile b{display:block;font-size:1.6rem;line-height:1.25;font-weight:640;letter-spacing:-.02em}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;margin:.4em 0 0;white-space:pre-wrap;
overflow-wrap:anywhere;user-select:all}
pre span{display:inline-block;max-width:100%}
pre,code{font:.88rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.wide{overflow-x:auto;margin:.6em 0 1em}
table{border-collapse:collapse;font-size:.9rem;line-height:1.4;min-width:min(100%,420px)}
th{font-weight:600;color:var(--soft);text-align:left;white-space:nowrap;border-bottom:1px solid var(--line);vertical-align:bottom}
th,td{padding:6px 16px 6px 0}
td{border-bottom:1px solid var(--faint);vertical-align:top}
tr:last-child td{border-bottom:0}
.r{text-align:right;white-space:nowrap}
.w{min-width:13em;max-width:26em;overflow-wrap:anywhere}
.k{white-space:nowrap}
.good{color:var(--c)}.bad{color:var(--b)}
.bar{display:inline-block;width:140px;height:9px;background:var(--faint);border-radius:5px;vertical-align:middle;overflow:hidden}
.bar i{display:block;height:100%;background:var(--a);border-radius:5px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:26px 34px;margin:1em 0 1.4em;align-items:start}
figure{margin:0;min-width:0}
figcaption{margin:0 0 6px;font-size:.92rem;line-height:1.4}
figcaption b{font-weight:640;margin-right:12px}
figcaption small{display:block}
.keys{white-space:normal}
.key{display:inline-block;margin-right:12px;font-size:.84rem;color:var(--soft);white-space:nowrap}
.key i{display:inline-block;width:18px;height:0;margin-right:5px;vertical-align:middle;border-top:1.5px dashed var(--n)}
.key i.round{width:8px;height:8px;border:0;border-radius:50%;background:var(--n)}
.key i.round.a{background:var(--a);border:0}.key i.round.b{background:var(--b);border:0}
.key i.a{border-top:2.4px solid var(--a)}.key i.b{border-top:2.4px dashed var(--b)}.key i.c{border-top:2.4px dotted var(--c)}
svg.plot{display:block;width:100%;height:auto;max-width:560px}
.plot text{font-size:11px;fill:var(--soft)}
.plot .name{font-size:11px;font-weight:600}.plot .said{font-size:11px;fill:var(--text)}
.plot .count{fill:var(--text)}.plot .over{fill:var(--over)}
.grid{stroke:var(--faint);stroke-width:1;fill:none}.axis{stroke:var(--n);stroke-width:1;fill:none}
.line{fill:none;stroke-width:2;stroke-linejoin:round}
.line.a{stroke:var(--a)}.line.b{stroke:var(--b);stroke-dasharray:7 4}.line.c{stroke:var(--c);stroke-dasharray:2 3}
.line.n{stroke:var(--n);stroke-width:1.3;stroke-dasharray:3 4}
.mark{stroke:var(--text);stroke-width:1;stroke-dasharray:1 3;fill:none}
.dot{fill-opacity:.55}.dot.solid{fill-opacity:1}.dot.a,.column.a,.cell.a,.spark rect{fill:var(--a)}.dot.b,.column.b,
.cell.b{fill:var(--b)}.dot.c{fill:var(--c)}
.column.n{fill:var(--n);fill-opacity:.4}.shade{fill:var(--faint)}
.spark{vertical-align:middle;max-width:none}.spark rect{fill-opacity:.75}
.pictures{display:flex;flex-wrap:wrap;gap:12px;margin:.4em 0 1em}
.pictures figure{width:84px}
.pictures img{width:84px;height:84px;object-fit:contain;image-rendering:pixelated;background:var(--faint);border-radius:6px;display:block}
.pictures figcaption{font-size:.78rem;margin:3px 0 0;overflow-wrap:anywhere;color:var(--soft)}
blockquote{margin:.5em 0;padding:.1em 0 .1em 14px;border-left:3px solid var(--line);max-width:46em;overflow-wrap:anywhere}
.network{max-height:760px;overflow:auto;border:1px solid var(--line);border-radius:10px;background:#f8fafc;margin:.6em 0 1em;
text-align:center}
@media (prefers-color-scheme:dark){.network{background:#0f172a}}
.network img{max-width:none;display:inline-block;vertical-align:top}
ul{padding-left:1.2em;margin:.4em 0;max-width:56em}li{margin:.2em 0;overflow-wrap:anywhere}
details{margin:.8em 0}summary{cursor:pointer;color:var(--a);font-size:.95rem}
footer{padding-top:18px;padding-bottom:50px;font-size:.86rem;color:var(--soft)}
@media (max-width:560px){header{padding-top:26px}main,header,footer{padding-left:16px;padding-right:16px}h1{font-size:1.55rem}
.lead{font-size:1.08rem}.tiles{grid-template-columns:1fr 1fr}.tile b{font-size:1.3rem}}
@media print{nav{display:none}section{break-inside:auto}figure,tr{break-inside:avoid}.network{max-height:none}}
"""
