"""The style sheet of what `compare_html` builds; colours as in `style` and `palette`."""

STYLE = """
.ft-story { padding: 1.25rem 1.5rem 1.375rem; border-radius: 0.875rem; margin-top: 0.25rem;
  background: color-mix(in srgb, #0F766E 9%, transparent); }
.ft-story > p { font-size: 1.25rem; line-height: 1.5; font-weight: 650; letter-spacing: -0.01em; margin: 0;
  word-break: keep-all; }
.ft-tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: 0.75rem 1.5rem;
  margin-top: 1rem; }
.ft-tiles > div { display: flex; flex-direction: column; gap: 0.0625rem; }
.ft-tiles span { font-size: 0.8125rem; opacity: 0.75; }
.ft-tiles b { font-size: 1.75rem; line-height: 1.25; font-weight: 700; letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums; }

.ft-scroll { overflow-x: auto; }
.ft-table { border-collapse: collapse; width: 100%; font-size: 0.8125rem; font-variant-numeric: tabular-nums; }
.ft-table th, .ft-table td { padding: 0.5rem 0.375rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid color-mix(in srgb, currentColor 12%, transparent); }
.ft-table thead th { font-weight: 500; opacity: 0.75; white-space: normal; vertical-align: bottom; line-height: 1.3;
  min-width: 3.25rem; font-size: 0.75rem; word-break: keep-all; }
.ft-table tbody tr:last-child > * { border-bottom: 0; }
.ft-table th:first-child { text-align: left; position: sticky; left: 0; font-weight: 650; padding-left: 0;
  backdrop-filter: blur(16px); }
.ft-table td b { font-weight: 750; color: color-mix(in srgb, #0F766E 75%, currentColor); }
.ft-table small { display: block; font-size: 0.6875rem; font-weight: 400; opacity: 0.7; }
.ft-refused { opacity: 0.75; }
.ft-badge { display: inline-block; font-size: 0.6875rem; font-weight: 600; line-height: 1.5; padding: 0 0.4375rem;
  border-radius: 0.5rem; margin-left: 0.375rem; vertical-align: 0.0625rem; white-space: nowrap; }
.ft-table .ft-badge { display: block; width: fit-content; margin: 0.125rem 0 0; }
.ft-good { background: color-mix(in srgb, #0F766E 16%, transparent); }
.ft-bad { background: color-mix(in srgb, #B5420B 18%, transparent); }
.ft-plain { border: 1px solid color-mix(in srgb, currentColor 30%, transparent); }

.ft-reasons { display: grid; grid-template-columns: max-content 1fr; gap: 0.375rem 1rem; font-size: 0.875rem; }
.ft-reasons > b { font-weight: 650; }
.ft-reasons > span { margin: 0; word-break: keep-all; overflow-wrap: anywhere; opacity: 0.85; }
.ft-reasons code, .ft-env code { font-size: 0.8125rem; background: color-mix(in srgb, currentColor 8%, transparent);
  padding: 0.0625rem 0.3125rem; border-radius: 0.3125rem; }

.ft-side-head { display: flex; flex-wrap: wrap; gap: 0.125rem 0.75rem; align-items: baseline; }
.ft-side-head h3 { font-size: 1.0625rem; font-weight: 700; padding: 0; margin: 0; }
.ft-side .ft-text { font-size: 1rem; max-height: 24rem; margin: 0.375rem 0 0.5rem; }
.ft-side-row { min-height: 2.75rem; display: flex; flex-direction: column; justify-content: center; gap: 0.25rem;
  padding: 0.375rem 0; box-sizing: border-box; border-top: 1px solid color-mix(in srgb, currentColor 10%, transparent); }
.ft-tall { min-height: 4.25rem; }
.ft-side-row > div { display: flex; flex-wrap: wrap; gap: 0.25rem 0.375rem; align-items: center; font-size: 0.8125rem; }
.ft-side-row strong { min-width: 5.25rem; font-size: 0.9375rem; font-weight: 650; white-space: nowrap; }
.ft-side-row .ft-number { margin-left: auto; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.ft-ghost strong { opacity: 0.55; }
.ft-ghost em { font-style: normal; opacity: 0.65; }
.ft-diff { font-size: 0.75rem; font-weight: 600; line-height: 1.6; padding: 0 0.5rem; border-radius: 0.5rem;
  white-space: nowrap; }
.ft-diff-gained { background: color-mix(in srgb, #0F766E 18%, transparent); }
.ft-diff-lost { background: color-mix(in srgb, #B5420B 20%, transparent); }
.ft-diff-sentiment { background: color-mix(in srgb, #D69E2E 30%, transparent); }
.ft-diff-mention, .ft-diff-feeling, .ft-diff-highlight { border: 1px solid color-mix(in srgb, currentColor 30%, transparent); }
.ft-verdicts { display: flex; flex-direction: column; gap: 0.25rem; margin: 0; font-size: 0.9375rem; }
.ft-verdicts p { margin: 0; word-break: keep-all; }

.ft-flip > p { font-size: 1.0625rem; line-height: 1.65; margin: 0.25rem 0 0.625rem; white-space: pre-wrap; word-break: keep-all;
  overflow-wrap: anywhere; unicode-bidi: isolate; max-height: 16rem; overflow-y: auto; }
.ft-flip-rows { display: grid; grid-template-columns: max-content 1fr; gap: 0.375rem 1rem; align-items: center; margin: 0;
  font-size: 0.875rem; }
.ft-flip-rows > b { font-weight: 650; }
.ft-flip-rows > div { margin: 0; display: flex; flex-wrap: wrap; gap: 0.25rem 0.5rem; align-items: center; }
.ft-flip-rows > div > span:not([class]) { opacity: 0.75; font-variant-numeric: tabular-nums; }

@media (max-width: 640px) {
  .ft-story { padding: 1rem; }
  .ft-story > p { font-size: 1.0625rem; }
  .ft-tiles { grid-template-columns: repeat(2, 1fr); }
  .ft-tiles b { font-size: 1.375rem; }
  .ft-reasons { grid-template-columns: 1fr; gap: 0 0; }
  .ft-reasons > span { margin-bottom: 0.5rem; }
  .ft-tall { min-height: 0; }
}
"""
