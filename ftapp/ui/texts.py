"""What the pages say, Korean first, English beside it. Labels of a model stay as they are; English glosses the sentiments."""

import re

import streamlit as st

from ftapp.schema import Notice

LANGUAGES = {"ko": "한국어", "en": "English"}

TEXTS: dict[str, tuple[str, str]] = {
    # frame
    "app.title": ("ftapp 리뷰 분석", "ftapp review reader"),
    "page.analyze": ("리뷰 분석", "Read reviews"),
    "page.compare": ("모델 비교", "Compare models"),
    "sidebar.model": ("모델", "Model"),
    "sidebar.model.help": (
        "models 폴더에 있는 모델이에요. 다른 모델을 쓰려면 ‘직접 입력’을 고르세요.",
        "The models in the folder models/. To use another one, choose “Other”.",
    ),
    "sidebar.other": ("직접 입력", "Other"),
    "sidebar.source": ("모델 폴더 또는 허브 id", "Model folder or hub id"),
    "sidebar.source.help": (
        "모델 폴더의 경로나 Hugging Face 허브 id를 적어 주세요. 키워드 모델과 감정 모델이 따로 있으면 "
        "`KEYWORD,SENTIMENT`처럼 쉼표로 이어 적습니다. 허브 id는 처음 한 번 내려받아요.",
        "The path of a model folder, or a Hugging Face hub id. For a keyword model and a sentiment model of their own, "
        "give both with a comma: `KEYWORD,SENTIMENT`. A hub id is downloaded once.",
    ),
    "sidebar.source.empty": (
        "사이드바에 모델 폴더나 허브 id를 적어 주세요.",
        "Type a model folder or hub id into the sidebar.",
    ),
    "sidebar.variant": ("모델 종류", "Variant"),
    "sidebar.variant.help": (
        "full은 원래 모델이고, 나머지는 같은 모델을 줄이거나 빠르게 만든 것이에요. 여기서 쓸 수 있는 것만 보여요.",
        "full is the model itself, the others are smaller or faster forms of it. Only those that run here are listed.",
    ),
    "sidebar.device": ("실행 장치", "Device"),
    "sidebar.device.help": ("auto는 GPU가 있으면 GPU, 없으면 CPU를 써요.", "auto takes the GPU if there is one, else the CPU."),
    "sidebar.privacy": (
        "입력한 글은 이 서버 안에서만 분석하고 저장하지 않아요.",
        "What you type is read on this server only and is not stored.",
    ),
    "model.loading": (
        "모델을 준비하고 있어요. 처음 한 번만 몇 초 걸려요.",
        "Getting the model ready. This takes a few seconds, once.",
    ),
    "model.failed": ("모델을 열 수 없어요. {reason}", "The model cannot be opened. {reason}"),
    # analyze: input
    "analyze.lead": (
        "한국어 쇼핑 리뷰를 붙여 넣으세요. 무엇에 대한 말인지, 어떻게 느꼈는지, 어느 말에서 드러나는지 보여 드려요.",
        "Paste Korean shopping reviews: see what each one talks about, how the reviewer felt, and which words say so.",
    ),
    "analyze.examples": ("예시로 바로 해 보기", "Try an example"),
    "example.mixed": ("예쁜데 늦었어요", "Good and bad"),
    "example.negative": ("불만 리뷰", "A complaint"),
    "example.unspaced": ("띄어쓰기없는리뷰", "No spaces"),
    "example.neutral": ("무난한 리뷰", "So-so"),
    "example.long": ("긴 리뷰", "A long one"),
    "example.several": ("여러 리뷰 한꺼번에", "Several at once"),
    "analyze.text": ("리뷰", "Reviews"),
    "analyze.placeholder": (
        "예) 디자인은 예쁜데 배송이 늦었어요",
        "For example: 디자인은 예쁜데 배송이 늦었어요",
    ),
    "analyze.rules": (
        "한 줄이 리뷰 하나예요. 줄을 바꿔 쓴 리뷰는 빈 줄로 나눠 주세요. "
        "한 번에 {characters:,}자, 리뷰 {reviews}개까지 읽어요.",
        "One review per line; put a blank line between reviews that have line breaks. "
        "Up to {characters:,} characters and {reviews} reviews at a time.",
    ),
    "analyze.submit": ("분석하기", "Analyze"),
    "analyze.empty": (
        "분석할 글이 없어요. 리뷰를 적거나 위의 예시를 눌러 보세요.",
        "There is nothing to read yet. Type a review, or choose an example above.",
    ),
    "limit.characters": (
        "글이 {given:,}자라서 읽지 않았어요. 한 번에 {allowed:,}자까지 읽을 수 있으니 나눠서 넣어 주세요.",
        "The text has {given:,} characters and was not read. Up to {allowed:,} fit at a time; please paste it in parts.",
    ),
    "limit.reviews": (
        "리뷰가 {given:,}개라서 읽지 않았어요. 한 번에 {allowed:,}개까지 읽을 수 있으니 나눠서 넣어 주세요.",
        "These are {given:,} reviews and were not read. Up to {allowed:,} fit at a time; please paste them in parts.",
    ),
    "run.failed": ("분석하지 못했어요. {reason}", "The reviews could not be read. {reason}"),
    "run.progress": ("리뷰를 읽고 있어요 ({done}/{total})", "Reading the reviews ({done}/{total})"),
    "run.stop": ("멈추기", "Stop"),
    # analyze: before the first result
    "tour.what": ("무엇에 대한 말인지", "What it is about"),
    "tour.what.text": (
        "한 리뷰에 섞여 있는 이야기를 키워드로 나눠요.",
        "The several things that one review talks about, as keywords.",
    ),
    "tour.how": ("어떻게 느꼈는지", "How the reviewer felt"),
    "tour.how.text": (
        "키워드마다 따로, 매우부정부터 매우긍정까지 봐요.",
        "For each keyword of its own, from very negative to very positive.",
    ),
    "tour.where": ("어느 말에서 드러나는지", "Which words say so"),
    "tour.where.text": ("판단의 근거가 된 말을 글에 바로 표시해요.", "The words that decided are marked in the text itself."),
    # analyze: results
    "run.title": ("분석 결과", "Results"),
    "run.made_by": (
        "리뷰 {count}개 · {seconds:.2f}초 · 모델 {model} · {variant} · {device}",
        "Reviews: {count} · {seconds:.2f} s · model {model} · {variant} · {device}",
    ),
    "run.partial": (
        "{total}개 가운데 {done}개까지 읽고 멈췄어요. 읽은 것은 아래에 그대로 있어요.",
        "Stopped after {done} of {total}. What was read is kept below.",
    ),
    "run.stale": (
        "아래는 {model} · {variant} · {device}(으)로 분석한 결과예요. 지금 고른 모델로 보려면 ‘분석하기’를 다시 눌러 주세요.",
        "The results below were made by {model} · {variant} · {device}. Press “Analyze” again to use the model chosen now.",
    ),
    "run.download": ("JSON 내려받기", "Download JSON"),
    "threshold.own": ("모델 기준값 사용", "Use the model's thresholds"),
    "threshold.own.help": (
        "켜 두면 모델이 키워드마다 정해 둔 기준값을 써요. 끄면 기준값을 직접 고를 수 있어요.",
        "On: the threshold that the model sets for each keyword. Off: choose one yourself.",
    ),
    "threshold.slider": ("키워드 기준값", "Keyword threshold"),
    "threshold.slider.help": (
        "확률이 이 값 이상인 키워드만 보여요. 다시 계산하지 않고 바로 바뀌어요.",
        "Only keywords with at least this probability are shown. Changes at once, nothing is computed again.",
    ),
    "legend.title": ("감정 표시", "Sentiments"),
    "summary.title": ("키워드별 감정", "Sentiments by keyword"),
    "summary.line": (
        "{mentioned}개 리뷰에서 키워드 {keywords}가지를 찾았어요.",
        "Keywords were found in {mentioned} reviews, {keywords} kinds of them.",
    ),
    "card.title": ("리뷰 {number}", "Review {number}"),
    "card.overall": ("전체 만족도", "Overall"),
    "card.none": (
        "기준값을 넘는 키워드가 없어요. 기준값을 낮추면 더 볼 수 있어요.",
        "No keyword reaches the threshold. Lower it to see more.",
    ),
    "card.mention": ("언급 확률", "mentioned"),
    "card.unsure_keyword": ("키워드가 애매해요", "unsure keyword"),
    "card.unsure_sentiment": ("감정이 애매해요", "unsure sentiment"),
    "card.bars": ("감정 확률", "Sentiment probabilities"),
    "card.choose": ("키워드를 고르면 낱말마다 얼마나 기여했는지 보여요", "Choose a keyword to see what each word contributes"),
    "words.explain": (
        "‘{keyword}’ 확률 {probability:.0%}에서 그 낱말을 가렸을 때 떨어지는 만큼(%p)이에요. "
        "진할수록 크게 기여한 낱말이고, 점선은 오히려 낮추는 낱말이에요.",
        "How many points the probability of “{keyword}” ({probability:.0%}) falls when the word is hidden. "
        "The stronger the colour, the more it contributes; a dotted word lowers it.",
    ),
    "words.chart": ("기여도가 큰 낱말", "Words that contribute most"),
    "words.points": ("%p", " points"),
    # compare
    "compare.lead": (
        "작고 빠른 모델로 바꾸면 무엇을 얻고 무엇을 잃을까요? 잰 값으로 견주고, 같은 리뷰로 나란히 보고, "
        "답이 갈린 리뷰를 찾아보세요.",
        "What do you gain, and what do you lose, with a smaller and faster model? Compare measured figures, read one review "
        "side by side, and find the reviews on which the answers differ.",
    ),
    "compare.overview": ("한눈에", "At a glance"),
    "compare.sides": ("나란히", "Side by side"),
    "compare.explorer": ("불일치 찾기", "Find disagreements"),
    "compare.failed": ("견주지 못했어요. {reason}", "The variants could not be compared. {reason}"),
    # compare: overview
    "results.stored": ("저장된 결과", "Stored results"),
    "results.own": ("이 컴퓨터에서 잰 결과", "Measured on this machine"),
    "results.source": ("어느 결과를 볼까요", "Which results to show"),
    "results.none": (
        "저장된 결과가 아직 없어요. 아래에서 이 컴퓨터에서 재거나, 명령줄에서 `ftapp bench MODEL --output "
        "benchmarks/results/variants.json`을 실행하면 여기에 보여요.",
        "There are no stored results yet. Measure on this machine below, or run `ftapp bench MODEL --output "
        "benchmarks/results/variants.json` on the command line, and they appear here.",
    ),
    "results.broken": ("저장된 결과를 읽을 수 없어요. {reason}", "The stored results cannot be read. {reason}"),
    "results.other_model": (
        "사이드바에서 고른 모델({chosen})이 아니라 {model} 모델에서 잰 값이에요.",
        "These figures are of the model {model}, not of the one chosen in the sidebar ({chosen}).",
    ),
    "results.title": ("{model} 모델을 잰 결과", "Figures of {model}"),
    "results.environment": (
        "{date} · {cpu} · 코어 {cores}개 · 메모리 {memory} GiB{sets}",
        "{date} · {cpu} · {cores} cores · {memory} GiB of memory{sets}",
    ),
    "results.libraries": ("라이브러리", "Libraries"),
    "results.measured_on": (
        "{data}의 리뷰 {count:,}개로 정확도를 쟀고, 지연 시간은 {characters}자 리뷰 하나를 읽는 시간이에요.",
        "Quality on {count:,} reviews of {data}; latency is that of one review of {characters} characters.",
    ),
    "results.measured_on.short": ("{data}로 쟀어요.", "Measured on {data}."),
    "results.download": ("JSON 내려받기", "Download JSON"),
    "results.nothing": (
        "고른 조건에 맞는 모델이 없어요. 조건을 줄여 보세요.",
        "No variant passes these filters. Choose fewer of them.",
    ),
    "results.empty": ("끝까지 잰 모델이 하나도 없어요.", "No variant was measured to its end."),
    "story.faster": (
        "{variant} 모델은 full 모델보다 {times}배 빠르고{size}, {metric} {difference}.",
        "{variant} is {times} times as fast as full{size}, and {metric} {difference}.",
    ),
    "story.slower": (
        "여기서는 full 모델이 가장 빨라요. 그다음은 {variant} 모델로, 시간이 {times}배 걸려요{size}. {metric} {difference}.",
        "Here full is the fastest. Next is {variant}, which takes {times} times as long{size}; {metric} {difference}.",
    ),
    "story.size.down": (", 용량은 {before}에서 {after}로 줄고", ", its size falls from {before} to {after}"),
    "story.size.up": (", 용량은 {before}에서 {after}로 늘고", ", its size grows from {before} to {after}"),
    "story.size.same": (", 용량은 {after} 그대로이고", ", its size stays at {after}"),
    "story.size.slower": (" (용량 {before} → {after})", " (size {before} → {after})"),
    "story.same": ("점수는 그대로예요", "stays the same"),
    "story.lower": ("점수는 {points}점 낮아요", "is {points} points lower"),
    "story.higher": ("점수는 {points}점 높아요", "is {points} points higher"),
    "story.unknown": ("점수는 재지 않았어요", "was not measured"),
    "story.none": (
        "full 모델과 견줄, 기준을 통과한 다른 모델이 아직 없어요.",
        "There is no other accepted variant to compare with full yet.",
    ),
    "story.speed": ("리뷰 하나", "One review"),
    "story.disk": ("저장 용량", "Size on disk"),
    "story.agreement": ("full과 같은 답", "Same answers as full"),
    "story.agreement.note": ("모든 리뷰와 키워드에서", "over all reviews and keywords"),
    "story.from_to": ("{before} → {after}", "{before} → {after}"),
    "filter.metric": ("정확도 지표", "Measure of quality"),
    "filter.highlights": ("근거 표시까지 포함한 속도", "Speed with highlights"),
    "filter.highlights.help": (
        "켜면 키워드와 감정에 더해 근거가 되는 말까지 찾는 시간이에요. 리뷰를 낱말마다 가려 보기 때문에 여러 배 걸려요.",
        "On: the time for keywords, sentiments and the words that say so, which takes several times as long.",
    ),
    "filter.accepted": ("기준을 통과한 것만", "Only accepted ones"),
    "filter.accepted.help": (
        "full보다 키워드 F1이나 감정 정확도가 정해 둔 한도(보통 2점)보다 더 떨어진 것과 아직 확인하지 않은 것을 빼요.",
        "Leaves out variants that lose more keyword F1 or sentiment accuracy than the limit (usually 2 points), "
        "and those that were not checked.",
    ),
    "filter.variants": ("볼 모델 종류 (고르지 않으면 전부)", "Variants to show (all if none is chosen)"),
    "chart.trade": ("속도와 정확도", "Speed and quality"),
    "chart.trade.line": (
        "왼쪽 위일수록 좋고, 원이 작을수록 용량이 작아요.",
        "The upper left is best; the smaller the bubble, the smaller the files.",
    ),
    "chart.pareto": ("더 나은 것이 없는 선", "Best trade-offs"),
    "chart.best": ("더 빠르면서 더 정확한 것이 없어요", "Nothing faster is as good"),
    "chart.accepted": ("기준 통과", "Accepted"),
    "chart.refused": ("기준 미달", "Not accepted"),
    "chart.latency": ("리뷰 하나를 읽는 시간 p50 (ms)", "Latency of one review, p50 (ms)"),
    "bars.title": ("항목별로 보기", "Figure by figure"),
    "bars.line": (
        "괄호 안은 full과의 차이(점)예요. 빠른 모델부터예요.",
        "In brackets: the difference from full in points. The fastest variant comes first.",
    ),
    "table.title": ("모든 값", "All figures"),
    "table.line": ("굵은 값이 그 열에서 가장 좋은 값이에요.", "Bold is the best of its column."),
    "table.variant": ("모델 종류", "Variant"),
    "table.refused": ("기준 미달", "not accepted"),
    "table.best": ("효율적", "best trade-off"),
    "table.refused.title": ("기준을 통과하지 못한 까닭", "Why some are not accepted"),
    "table.missing.title": ("재지 못한 모델", "What was not measured"),
    "status.unsupported": ("잰 컴퓨터에서 안 돼요.", "Not supported on that machine."),
    "status.not made": ("아직 만들지 않았어요.", "Not made yet."),
    "status.failed": ("재다가 실패했어요.", "It failed."),
    "status.cancelled": ("재기 전에 멈췄어요.", "Cancelled before it was measured."),
    "reason.fell": (
        "{figure} 점수가 {before}에서 {after}(으)로, 허용한 {limit}점보다 더 떨어졌어요.",
        "{figure} fell from {before} to {after}, more than the {limit} points that are allowed.",
    ),
    "reason.unchecked": (
        "full과 견주어 확인하지 않았어요. `ftapp compress MODEL --variant {variant}`로 확인할 수 있어요.",
        "It has not been checked against full; `ftapp compress MODEL --variant {variant}` does that.",
    ),
    "figure.keyword_micro_f1": ("키워드 F1 (micro)", "Keyword F1 (micro)"),
    "figure.keyword_macro_f1": ("키워드 F1 (macro)", "Keyword F1 (macro)"),
    "figure.sentiment_accuracy": ("감정 정확도", "Sentiment accuracy"),
    "figure.sentiment_macro_f1": ("감정 F1 (macro)", "Sentiment F1 (macro)"),
    "figure.pair_f1": ("키워드+감정 F1", "Pair F1"),
    "figure.overall_accuracy": ("전체 만족도 정확도", "Overall accuracy"),
    "figure.highlight_f1": ("근거 표시 F1", "Highlight F1"),
    "figure.label_agreement": ("full과 같은 답 (%)", "Same labels as full (%)"),
    "figure.highlight_agreement": ("full과 같은 근거 (%)", "Same highlights as full (%)"),
    "figure.p50": ("리뷰 하나 p50", "One review, p50"),
    "figure.p95": ("리뷰 하나 p95", "One review, p95"),
    "figure.p99": ("리뷰 하나 p99", "One review, p99"),
    "figure.p50_highlights": ("리뷰 하나 p50 (근거 포함)", "One review, p50 (with highlights)"),
    "figure.p95_highlights": ("리뷰 하나 p95 (근거 포함)", "One review, p95 (with highlights)"),
    "figure.p99_highlights": ("리뷰 하나 p99 (근거 포함)", "One review, p99 (with highlights)"),
    "figure.reviews_per_s": ("1초에 읽는 리뷰", "Reviews a second"),
    "figure.reviews_per_s_highlights": ("1초에 읽는 리뷰 (근거 포함)", "Reviews a second (with highlights)"),
    "figure.load_s": ("여는 시간", "Load time"),
    "figure.first_ms": ("첫 리뷰", "First review"),
    "figure.memory_mib": ("최대 메모리", "Peak memory"),
    "figure.gpu_memory_mib": ("최대 GPU 메모리", "Peak GPU memory"),
    "figure.size_bytes": ("저장 용량", "Size on disk"),
    # compare: measuring
    "measure.title": ("이 컴퓨터에서 재기", "Measure on this machine"),
    "measure.line": (
        "모델마다 따로 띄운 프로세스에서 재요. 재는 동안 다른 화면을 봐도 돼요.",
        "Each variant is measured in a process of its own. You can use the other pages meanwhile.",
    ),
    "measure.variants": ("잴 모델 종류", "Variants to measure"),
    "measure.how": ("얼마나 꼼꼼히", "How thoroughly"),
    "measure.quick": ("빠르게 (리뷰 {count}개)", "Quick ({count} reviews)"),
    "measure.thorough": ("꼼꼼하게 (리뷰 전부, {repeats}번)", "Thorough (all reviews, {repeats} rounds)"),
    "measure.highlights": ("근거 표시도 재기", "Measure highlights too"),
    "measure.start": ("재기 시작", "Start measuring"),
    "measure.cancel": ("그만 재기", "Cancel"),
    "measure.begin": ("잴 준비를 하고 있어요.", "Getting ready to measure."),
    "measure.progress": ("{total}번 가운데 {done}번 쟀어요 · 지금 {current}", "{done} of {total} done · now {current}"),
    "measure.cancelling": ("멈추고 있어요.", "Cancelling."),
    "measure.done": (
        "다 쟀어요. 위의 ‘이 컴퓨터에서 잰 결과’에서 볼 수 있어요.",
        "Done. See “Measured on this machine” above.",
    ),
    "measure.cancelled": ("멈췄어요. 그때까지 잰 값은 남아 있어요.", "Cancelled. What was measured by then is kept."),
    "measure.failed": ("재지 못했어요. {reason}", "The measurement failed. {reason}"),
    "measure.busy": (
        "이 서버에서 다른 사람이 재고 있어요. 함께 재면 서로 느려지니 끝난 다음에 시작할 수 있어요.",
        "Somebody else is measuring on this server. Two at once would slow each other down; try again when it is done.",
    ),
    "measure.no_data": (
        "잴 때 쓸 리뷰(data/test.jsonl)가 이 서버에 없어요.",
        "The reviews to measure on (data/test.jsonl) are not on this server.",
    ),
    "measure.no_folder": (
        "모델 폴더만 잴 수 있어요. 사이드바에서 모델 폴더를 골라 주세요.",
        "Only a model folder can be measured. Choose one in the sidebar.",
    ),
    "measure.nothing": ("잴 모델 종류를 골라 주세요.", "Choose the variants to measure."),
    "obstacle.title": ("여기서 쓸 수 없는 모델 종류 {count}가지", "{count} variants do not run here"),
    "obstacle.not_made": ("아직 만들지 않았어요. `{command}`로 만들어요.", "Not made yet; `{command}` makes it."),
    "obstacle.stale": (
        "지금과 다른 가중치로 만든 것이에요. `{command}`로 다시 만들어요.",
        "It was made from other weights; `{command}` makes it again.",
    ),
    "obstacle.broken": (
        "만든 기록(recipe.json)을 읽을 수 없어요. `{command}`로 다시 만들어요.",
        "Its recipe.json cannot be read; `{command}` makes it again.",
    ),
    "obstacle.no_folder": ("모델 폴더에만 둘 수 있어요.", "It is kept in model folders only."),
    "obstacle.library": ("{library} 라이브러리가 설치되어 있지 않아요.", "The library {library} is not installed."),
    "obstacle.bf16": ("이 CPU에는 bf16 명령이 없어요.", "This CPU has no bf16 instructions."),
    "obstacle.fp16": ("fp16은 GPU에서만 돼요.", "fp16 runs on GPUs only."),
    "obstacle.cpu_only": ("CPU에서만 돼요.", "It runs on the CPU only."),
    # compare: side by side
    "sides.text": ("견줄 리뷰", "Review to compare"),
    "sides.rules": (
        "리뷰 하나를 {characters:,}자까지 읽어요. 모델 종류는 {most}가지까지 고를 수 있고, 먼저 고른 것이 기준이에요.",
        "One review of up to {characters:,} characters, through up to {most} variants; the first one is what the others are "
        "compared with.",
    ),
    "sides.variants": ("견줄 모델 종류", "Variants to compare"),
    "sides.submit": ("견주기", "Compare"),
    "sides.few": ("모델 종류를 두 가지 이상 골라 주세요.", "Choose at least two variants."),
    "sides.none": (
        "이 모델은 여기서 쓸 수 있는 종류가 하나뿐이라 견줄 것이 없어요.",
        "Only one variant of this model runs here, so there is nothing to compare.",
    ),
    "sides.long": (
        "글이 {given:,}자라서 읽지 않았어요. {allowed:,}자까지 읽을 수 있어요.",
        "The review has {given:,} characters and was not read. Up to {allowed:,} are.",
    ),
    "sides.progress": ("{variant} 모델로 읽고 있어요", "Reading with {variant}"),
    "sides.title": ("나란히 본 결과", "Side by side"),
    "sides.made_by": ("모델 {model} · {device}", "model {model} · {device}"),
    "sides.stale": (
        "아래는 {model} · {device}(으)로 견준 결과예요. 지금 고른 모델로 보려면 ‘견주기’를 다시 눌러 주세요.",
        "The comparison below was made by {model} · {device}. Press “Compare” again to use the model chosen now.",
    ),
    "sides.reference": ("기준", "reference"),
    "sides.latency": ("{plain} · 근거까지 {marked}", "{plain} · with highlights {marked}"),
    "sides.latency.note": (
        "시간은 한 번 읽어 데운 뒤 이 서버 안에서 여러 번 읽은 중앙값이에요. 모델을 한 프로세스에 함께 올려서 잰 값이라 "
        "‘한눈에’의 값보다 덜 정확해요.",
        "Times are medians of several readings after a warm-up, with all variants in this one server process: less exact than "
        "those at a glance.",
    ),
    "sides.same": ("{variant}: 기준과 같은 답이에요.", "{variant}: the same answers as the reference."),
    "sides.differs": ("{variant}: {what}", "{variant}: {what}"),
    "sides.absent": ("없음", "not found"),
    "sides.below": ("{probability} · 기준값 {threshold}", "{probability} · threshold {threshold}"),
    "sides.below_floor": ("{floor} 미만", "below {floor}"),
    "diff.gained": ("새로 찾음", "gained"),
    "diff.lost": ("놓침", "lost"),
    "diff.sentiment": ("감정 바뀜", "sentiment changed"),
    "diff.mention": ("언급 {points}%p", "mentioned {points} points"),
    "diff.feeling": ("감정 {points}%p", "sentiment {points} points"),
    "diff.highlight": ("근거 옮김", "highlight moved"),
    "diff.count.gained": ("새로 찾은 키워드 {count}개", "{count} gained"),
    "diff.count.lost": ("놓친 키워드 {count}개", "{count} lost"),
    "diff.count.sentiment": ("바뀐 감정 {count}개", "{count} sentiments changed"),
    "diff.count.probability": ("움직인 확률 {count}곳", "{count} probabilities shifted"),
    "diff.count.highlight": ("옮겨 간 근거 {count}곳", "{count} highlights moved"),
    # compare: disagreements
    "explorer.line": (
        "같은 리뷰들을 full과 다른 한 모델로 읽고, 답이 갈린 리뷰를 찾아요. 근거 표시는 빼고 읽어요.",
        "Reads the same reviews with full and one other variant, without highlights, and finds those on which they differ.",
    ),
    "explorer.variant": ("full과 견줄 모델 종류", "Variant to compare with full"),
    "explorer.source": ("어느 리뷰로", "Which reviews"),
    "explorer.bundled": ("시험 리뷰", "Test reviews"),
    "explorer.upload": ("파일 올리기", "Upload a file"),
    "explorer.no_bundled": (
        "이 서버에는 시험 리뷰(data/test.jsonl)가 없어요. 가진 리뷰 파일을 올려 주세요.",
        "The test reviews (data/test.jsonl) are not on this server. Upload a file of your own.",
    ),
    "explorer.file": ("리뷰 파일 (.jsonl, .csv, .txt)", "File of reviews (.jsonl, .csv, .txt)"),
    "explorer.file.help": (
        "{size} MB까지예요. .txt는 한 줄이 리뷰 하나, .csv는 text·review·리뷰·내용 열, .jsonl은 text 값을 읽어요. "
        "정답(labels)이 있으면 누가 맞았는지도 보여요.",
        "Up to {size} MB. A review is a line of a .txt, the text column of a .csv, the value text of a .jsonl. "
        "With labels you also see who is right.",
    ),
    "explorer.column": ("리뷰가 있는 열 이름 (비우면 자동)", "Column with the reviews (found by itself if empty)"),
    "explorer.count": ("몇 개까지", "How many"),
    "explorer.count.all": ("전부", "all"),
    "explorer.count.first": ("앞에서 {count:,}개", "first {count:,}"),
    "explorer.start": ("찾기", "Find"),
    "explorer.go_on": ("이어서 찾기", "Go on"),
    "explorer.stop": ("멈추기", "Stop"),
    "explorer.progress": ("리뷰를 읽고 있어요 ({done:,}/{total:,})", "Reading the reviews ({done:,}/{total:,})"),
    "explorer.no_file": ("리뷰 파일을 올려 주세요.", "Upload a file of reviews."),
    "explorer.bad_file": ("파일을 읽지 못했어요. {reason}", "The file could not be read. {reason}"),
    "explorer.no_reviews": ("파일에 리뷰가 없어요.", "The file holds no review."),
    "explorer.too_many": (
        "파일의 리뷰 {given:,}개 가운데 앞에서 {allowed:,}개까지만 읽어요.",
        "Of the {given:,} reviews in the file only the first {allowed:,} are read.",
    ),
    "explorer.too_large": (
        "파일이 {given:.1f} MB예요. {allowed} MB까지 읽을 수 있어요.",
        "The file has {given:.1f} MB; up to {allowed} are read.",
    ),
    "explorer.none": (
        "full 말고 여기서 쓸 수 있는 모델 종류가 없어서 견줄 것이 없어요.",
        "No variant but full runs here, so there is nothing to compare.",
    ),
    "explorer.title": ("full과 {variant}", "full and {variant}"),
    "explorer.made_by": (
        "리뷰 {count:,}개 · {source} · 모델 {model} · {device}",
        "{count:,} reviews · {source} · model {model} · {device}",
    ),
    "explorer.partial": (
        "{total:,}개 가운데 {done:,}개까지 읽고 멈췄어요. 아래는 거기까지의 결과예요.",
        "Stopped after {done:,} of {total:,}. The results below are of those.",
    ),
    "explorer.stale": (
        "아래는 {model} · {variant} · {device}(으)로 찾은 결과예요. 지금 고른 것으로 보려면 ‘찾기’를 다시 눌러 주세요.",
        "The results below were made by {model} · {variant} · {device}. Press “Find” again to use what is chosen now.",
    ),
    "explorer.sentence": (
        "키워드 {cells:,}칸 가운데 {flips:,}칸({share})에서 갈렸고, 리뷰로는 {reviews:,}개예요.",
        "They differ in {flips:,} of {cells:,} keyword cells ({share}), in {reviews:,} reviews.",
    ),
    "explorer.sentence.sentiment": (
        "둘 다 찾은 키워드 {cells:,}개 가운데 {flips:,}개({share})에서 감정이 갈렸고, 리뷰로는 {reviews:,}개예요.",
        "Of {cells:,} keywords that both found the sentiment differs in {flips:,} ({share}), in {reviews:,} reviews.",
    ),
    "explorer.sentence.overall": (
        "리뷰 {cells:,}개 가운데 {flips:,}개({share})에서 전체 만족도가 갈렸어요.",
        "Of {cells:,} reviews the overall sentiment differs in {flips:,} ({share}).",
    ),
    "explorer.right": (
        "갈린 것 가운데 full이 맞은 것 {reference:,}개, {variant} 모델이 맞은 것 {other:,}개예요.",
        "Of those full is right in {reference:,}, {variant} in {other:,}.",
    ),
    "explorer.right.neither": (
        "갈린 것 가운데 full이 맞은 것 {reference:,}개, {variant} 모델이 맞은 것 {other:,}개, 둘 다 틀린 것 {neither:,}개예요.",
        "Of those full is right in {reference:,}, {variant} in {other:,}, neither in {neither:,}.",
    ),
    "explorer.view": ("무엇을 견줄까요", "What to compare"),
    "view.keyword": ("키워드", "Keywords"),
    "view.sentiment": ("키워드의 감정", "Sentiments of keywords"),
    "view.overall": ("전체 만족도", "Overall"),
    "cell.both": ("둘 다 찾음", "both"),
    "cell.reference": ("full만", "only full"),
    "cell.other": ("{variant}만", "only {variant}"),
    "cell.neither": ("둘 다 없음", "neither"),
    "cell.sentiment": ("full {before} → {variant} {after}", "full {before} → {variant} {after}"),
    "cell.keyword": ("{keyword}: {who}", "{keyword}: {who}"),
    "cell.all": ("갈린 것 전부", "all that differ"),
    "cell.option": ("{name} ({count:,})", "{name} ({count:,})"),
    "explorer.matrix.rows": (
        "줄은 full의 답, 칸은 {variant}의 답이에요. 칸을 누르면 그 리뷰들이 아래에 나와요.",
        "Rows are full's answers, columns those of {variant}. Click a cell to list its reviews below.",
    ),
    "explorer.matrix.keyword": (
        "칸을 누르면 그 리뷰들이 아래에 나와요.",
        "Click a cell to list its reviews below.",
    ),
    "explorer.cell": ("볼 칸", "Cell to list"),
    "explorer.list": ("리뷰 {count:,}개 · 자신 있게 갈린 것부터", "{count:,} reviews · the most confident first"),
    "explorer.nothing": ("이 칸에는 리뷰가 없어요.", "There is no review in this cell."),
    "explorer.agreed": ("모든 답이 같아요. 갈린 리뷰가 없어요.", "All answers are the same; no review differs."),
    "explorer.truth": ("정답", "labelled"),
    "explorer.truth.absent": ("없음", "not there"),
    "explorer.correct": ("맞음", "right"),
    "explorer.row": ("리뷰 {number:,} · {name}", "Review {number:,} · {name}"),
    "explorer.download": ("갈린 것 JSON 내려받기", "Download differences as JSON"),
    # notices of the core, by code
    "notice.empty": ("읽을 수 있는 글자가 없어요.", "There is no text to read."),
    "notice.unreadable": (
        "모델이 아는 글자가 하나도 없어서 읽지 못했어요. 한국어 문장으로 적어 주세요.",
        "The model knows none of these characters. Please write Korean sentences.",
    ),
    "notice.no_hangul": (
        "한국어가 없어요. 한국어 리뷰로 배운 모델이라 결과를 믿기 어려워요.",
        "There is no Korean here; the model learned from Korean reviews, so do not rely on this result.",
    ),
    "notice.truncated": (
        "글이 길어서 앞부분(토큰 {count}개)만 읽었어요.",
        "The text is long; only its beginning ({count} tokens) was read.",
    ),
    "notice.unknown_tokens": (
        "모델이 모르는 글자나 낱말이 {count}개 있어요.",
        "The model does not know {count} of the characters or words.",
    ),
    "notice.unsure_keyword": (
        "‘{keyword}’ 키워드는 기준값에 가까워서 확실하지 않아요.",
        "“{keyword}” is close to its threshold, so it is not certain.",
    ),
    "notice.unsure_sentiment": (
        "‘{keyword}’의 감정은 한쪽으로 뚜렷하지 않아요.",
        "The sentiment of “{keyword}” is not clear.",
    ),
}

SENTIMENT_GLOSSES = {
    "매우부정": "very negative",
    "부정": "negative",
    "중립": "neutral",
    "긍정": "positive",
    "매우긍정": "very positive",
}


def language() -> str:
    """Return the session's language, Korean until another is chosen."""
    return st.session_state.get("language") or "ko"


def key_of(name: str) -> str:
    """Return the key of a select box with translated choices: the browser would go on showing those of another language."""
    return f"{name}_{language()}"


def t(key: str, **values: object) -> str:
    """Return a text in the session's language, with its values filled in."""
    return TEXTS[key][list(LANGUAGES).index(language())].format(**values)


def notice_text(notice: Notice) -> str:
    """Return what a notice of the core says, in the session's language; its own message for a code without translation."""
    key = f"notice.{notice.code}"
    return t(key, keyword=notice.keyword, count=notice.count) if key in TEXTS else notice.message


def sentiment_name(sentiment: str) -> str:
    """Return a sentiment as a reader of the session's language knows it."""
    return SENTIMENT_GLOSSES.get(sentiment, sentiment) if language() == "en" else sentiment


def plain(text: str) -> str:
    """Return text for a Streamlit element that reads Markdown, so that it shows exactly as it is."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-!|~$:])", r"\\\1", text)
