"""The style sheet of what `html` builds, and the logo: in Python, so that they are there wherever the package is."""

LOGO = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" width="32" height="32">'
    '<path fill="#0F766E" d="M8 2h16a7 7 0 0 1 7 7v10a7 7 0 0 1-7 7H14l-7 5v-5.1A7 7 0 0 1 1 19V9a7 7 0 0 1 7-7z"/>'
    '<path fill="#7FB2E5" d="M7 9h9v3.2H7z"/><path fill="#FFF" d="M18 9h7v3.2h-7z"/>'
    '<path fill="#FFF" d="M7 16h5v3.2H7z"/><path fill="#EC9A62" d="M14 16h11v3.2H14z"/></svg>'
)

STYLE = """
/* One column of comfortable width; every colour but the sentiments' follows the theme's text colour. */
[data-testid="stMainBlockContainer"] { max-width: 68rem; padding-top: 4rem; }
[data-testid="InputInstructions"] { display: none; } /* English only, and it would state the browser's limit, not ours */

.ft-lead h1 { font-size: 2rem; line-height: 1.25; letter-spacing: -0.02em; padding: 0; margin: 0 0 0.5rem; }
.ft-lead p { font-size: 1.0625rem; line-height: 1.6; margin: 0; max-width: 52rem; word-break: keep-all; opacity: 0.8; }
.ft-note { font-size: 0.875rem; line-height: 1.55; margin: 0; word-break: keep-all; overflow-wrap: anywhere; opacity: 0.75; }

.ft-legend { display: flex; flex-wrap: wrap; gap: 0.375rem; align-items: center; margin: 0; font-size: 0.875rem; }
.ft-legend > span:first-child { margin-right: 0.25rem; opacity: 0.75; }
.ft-pill { display: inline-block; padding: 0.0625rem 0.625rem; border-radius: 1rem; font-size: 0.8125rem; line-height: 1.6;
  white-space: nowrap; }
.ft-pill i { font-style: normal; font-size: 0.625rem; letter-spacing: -0.05em; vertical-align: 0.0625rem; }
.ft-pill b { font-weight: 650; }

.ft-run { display: flex; flex-wrap: wrap; gap: 0.25rem 0.875rem; align-items: baseline; margin-top: 1rem; }
.ft-run h2 { font-size: 1.375rem; padding: 0; margin: 0; }
.ft-head { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; justify-content: space-between; align-items: center; }
.ft-head h3 { font-size: 0.9375rem; font-weight: 650; padding: 0; margin: 0; opacity: 0.7; }

.ft-tour { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 0.75rem; margin-top: 1rem; }
.ft-tour > div { padding: 1.125rem 1.25rem; border-radius: 0.75rem; display: flex; flex-direction: column; gap: 0.375rem;
  background: color-mix(in srgb, currentColor 4%, transparent); }
.ft-tour h3 { font-size: 1rem; font-weight: 650; padding: 0; margin: 0; }
.ft-tour p { font-size: 0.875rem; line-height: 1.55; margin: 0 0 0.5rem; word-break: keep-all; opacity: 0.75; }
.ft-tour > div > div { margin-top: auto; min-height: 2.25rem; display: flex; flex-wrap: wrap; gap: 0.375rem;
  align-items: center; }
.ft-tour .ft-text { font-size: 0.9375rem; max-height: none; overflow: visible; }
.ft-chip { padding: 0.125rem 0.75rem; border-radius: 1rem; font-size: 0.875rem; font-weight: 600;
  border: 1px solid color-mix(in srgb, currentColor 25%, transparent); }
.ft-scale { display: flex; width: 100%; border-radius: 0.375rem; overflow: hidden; }
.ft-scale > span { flex: 1; text-align: center; font-size: 0.75rem; line-height: 1.75rem; }

.ft-text { font-size: 1.125rem; line-height: calc(2.1em + var(--lanes, 0) * 5px); max-height: 48rem; overflow-y: auto;
  white-space: pre-wrap; word-break: keep-all; overflow-wrap: anywhere; unicode-bidi: isolate; }
.ft-text mark { color: inherit; background: var(--tint); background-clip: content-box; border-bottom: 3px solid;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
.ft-text mark mark { background: none; }
.ft-tag { font-size: 0.6875rem; font-weight: 600; line-height: 1; vertical-align: super; white-space: nowrap;
  padding: 0.125rem 0.375rem; margin: 0 0.125rem; border-radius: 0.5rem; user-select: none; }
.ft-tag::before { content: "\\2060" attr(data-tag); } /* a word joiner: the tag stays with its word */

.ft-notices p { margin: 0.375rem 0 0; font-size: 0.875rem; padding: 0.5rem 0.75rem; border-radius: 0.5rem; word-break: keep-all;
  background: rgba(214, 158, 46, 0.16); }
.ft-notices p::before { content: "⚠\\FE0E"; margin-right: 0.5rem; }

.ft-rows { container-type: inline-size; }
.ft-row { height: 56px; display: flex; flex-direction: column; justify-content: center; gap: 3px; }
.ft-row + .ft-row { border-top: 1px solid color-mix(in srgb, currentColor 10%, transparent); box-sizing: border-box; }
.ft-row-head, .ft-row-foot { display: flex; gap: 0.5rem; align-items: center; min-width: 0; }
.ft-row-head strong { min-width: 4.5rem; font-size: 0.9375rem; font-weight: 650; line-height: 1.4; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; }
.ft-meter { display: flex; align-items: center; gap: 0.375rem; margin-left: auto; font-size: 0.8125rem; white-space: nowrap; }
.ft-meter > span:first-child { opacity: 0.7; }
.ft-meter b { min-width: 2.5rem; text-align: right; font-weight: 600; font-variant-numeric: tabular-nums; }
.ft-track { display: inline-block; width: 4.5rem; height: 0.375rem; border-radius: 0.25rem; overflow: hidden;
  background: color-mix(in srgb, currentColor 14%, transparent); }
.ft-track > span { display: block; height: 100%; border-radius: 0.25rem; background: currentColor; opacity: 0.75; }
.ft-row-foot { font-size: 0.8125rem; line-height: 1.4; }
.ft-row-foot q { quotes: "“" "”"; opacity: 0.75; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; }
.ft-doubt { flex: none; font-size: 0.6875rem; line-height: 1.4; padding: 0 0.375rem; border-radius: 0.5rem; opacity: 0.75;
  border: 1px dashed currentColor; white-space: nowrap; }
.ft-doubt::before { content: "? "; font-weight: 700; }
@container (max-width: 27rem) { .ft-meter > span:first-child { display: none; } }
@container (max-width: 21rem) { .ft-track { width: 2.25rem; } }

.ft-words { margin-top: 0.5rem; line-height: 1.4; font-size: 1rem; }
.ft-word { display: inline-block; max-width: 100%; padding: 0.125rem 0.25rem; margin: 0.125rem 0; border-radius: 0.375rem;
  text-align: center; }
.ft-word::after { content: attr(data-points); display: block; font-size: 0.6875rem; line-height: 1.2; opacity: 0.75;
  font-variant-numeric: tabular-nums; }
.ft-against > span { text-decoration: underline dotted 2px; text-underline-offset: 3px; }

@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding-left: 1rem; padding-right: 1rem; }
  .ft-lead h1 { font-size: 1.625rem; }
  .ft-row { height: auto; min-height: 56px; padding: 0.25rem 0; }
  .ft-row-foot { flex-wrap: wrap; gap: 0 0.5rem; }
}
"""
