"""What the pages say, Korean first, English beside it. Labels of a model stay as they are; English glosses the sentiments."""

import re

import streamlit as st

from ftapp.schema import Notice

LANGUAGES = {"ko": "한국어", "en": "English"}

TEXTS: dict[str, tuple[str, str]] = {
    # frame
    "app.title": ("ftapp 리뷰 분석", "ftapp review reader"),
    "page.analyze": ("리뷰 분석", "Read reviews"),
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
        "full은 원래 모델이고, dynamic-int8은 같은 모델을 8비트 정수로 줄인 것이에요(CPU 전용).",
        "full is the model itself; dynamic-int8 is the same model with 8-bit integers (CPU only).",
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
