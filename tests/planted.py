"""Secrets for tests, made at run time from parts so that none stands in a file: of every kind, and as they stand in a session."""

from __future__ import annotations

import json
import random
import string
from urllib.parse import quote

HEX = "0123456789abcdef"
UPPER = string.ascii_uppercase + string.digits
B62 = string.ascii_letters + string.digits
URLSAFE = B62 + "-_"
B64 = B62 + "+/"


def kinds(seed: int) -> dict[str, str]:
    """A secret of every kind that is known by its own shape: rule -> secret."""
    dice = random.Random(seed)

    def r(n: int, alphabet: str = B62) -> str:
        return "".join(dice.choices(alphabet, k=n))

    return {
        "aws-key": "AK" + "IA" + r(16, UPPER),
        "github-pat": "gh" + "p_" + r(36),
        "github-fine-grained-pat": "github" + "_pat_" + r(22) + "_" + r(59),
        "github-oauth": "gh" + "o_" + r(36),
        "github-app": "gh" + "s_" + r(36),
        "github-refresh": "gh" + "r_" + r(76),
        "gitlab-token": "gl" + "pat-" + r(20, URLSAFE),
        "slack-token": "xo" + "xb-" + r(12, string.digits) + "-" + r(12, string.digits) + "-" + r(24),
        "slack-webhook": "hooks.slack" + ".com/services/T" + r(8, UPPER) + "/B" + r(10, UPPER) + "/" + r(24),
        "stripe-key": dice.choice(["sk", "rk"]) + "_" + dice.choice(["live", "test"]) + "_" + r(24),
        "stripe-webhook-secret": "wh" + "sec_" + r(32),
        "anthropic-key": "sk-" + "ant-api03-" + r(93, URLSAFE) + "AA",
        "openrouter-key": "sk-" + "or-v1-" + r(64, HEX),
        "openai-key": dice.choice(["sk-" + r(20) + "T3Blbk" + "FJ" + r(20), "sk-" + "proj-" + r(120, URLSAFE)]),
        "google-api-key": "AI" + "za" + r(35, URLSAFE),
        "google-oauth-secret": "GOC" + "SPX-" + r(28, URLSAFE),
        "google-oauth-token": "ya" + "29." + r(80, URLSAFE),
        "azure-client-secret": r(3) + "8" + "Q~" + r(34),
        "npm-token": "np" + "m_" + r(36),
        "pypi-token": "py" + "pi-AgEIcHlwaS5vcmc" + r(80, URLSAFE),
        "docker-hub-token": "dckr" + "_pat_" + r(27, URLSAFE),
        "digitalocean-token": "do" + "p_v1_" + r(64, HEX),
        "heroku-key": "HR" + "KU-AA" + r(58, URLSAFE),
        "sendgrid-key": "S" + "G." + r(22, URLSAFE) + "." + r(43, URLSAFE),
        "mailgun-key": "ke" + "y-" + r(32, HEX),
        "mailchimp-key": r(32, HEX) + "-u" + "s14",
        "brevo-key": "xkey" + "sib-" + r(64, HEX) + "-" + r(16),
        "twilio-key": "S" + "K" + r(32, HEX),
        "telegram-bot-token": r(10, "123456789") + ":A" + "A" + r(33, URLSAFE),
        "discord-bot-token": "M" + r(23) + "." + r(6, URLSAFE) + "." + r(38, URLSAFE),
        "discord-webhook": "discord" + ".com/api/webhooks/" + r(18, "123456789") + "/" + r(68, URLSAFE),
        "shopify-token": "shp" + "at_" + r(32, HEX),
        "square-token": "sq0" + "atp-" + r(22, URLSAFE),
        "databricks-token": "da" + "pi" + r(32, HEX),
        "huggingface-token": "h" + "f_" + r(34, string.ascii_letters),
        "linear-key": "lin" + "_api_" + r(40),
        "notion-token": dice.choice(["secret" + "_" + r(43), "nt" + "n_" + r(46)]),
        "figma-token": "fi" + "gd_" + r(40, URLSAFE),
        "airtable-token": "pa" + "t" + r(14) + "." + r(64, HEX),
        "atlassian-token": "ATA" + "TT3xFfGF0" + r(180, URLSAFE) + "=" + r(8, UPPER),
        "vault-token": "hv" + "s." + r(90, URLSAFE),
        "terraform-token": r(14) + ".atl" + "asv1." + r(67, URLSAFE),
        "grafana-token": "gl" + "sa_" + r(32) + "_" + r(8, HEX),
        "newrelic-key": "NR" + "AK-" + r(27, UPPER),
        "sentry-token": "sntr" + "ys_eyJ" + r(60) + "_" + r(43),
        "supabase-key": "sb" + "p_" + r(40, HEX),
        "planetscale-token": "pscale" + "_tkn_" + r(43, URLSAFE),
        "flyio-token": "fo" + "1_" + r(43, URLSAFE),
        "cloudflare-ca-key": "v1" + ".0-" + r(24, HEX) + "-" + r(146, HEX),
        "age-secret-key": "AGE-SECRET" + "-KEY-1" + r(58, UPPER),
        "groq-key": "gs" + "k_" + r(52),
        "xai-key": "xa" + "i-" + r(80),
        "perplexity-key": "pp" + "lx-" + r(48),
        "replicate-token": "r" + "8_" + r(37),
        "pinecone-key": "pc" + "sk_" + r(6) + "_" + r(63),
        "langsmith-key": "ls" + "v2_pt_" + r(32, HEX) + "_" + r(10, HEX),
        "postman-key": "PM" + "AK-" + r(24, HEX) + "-" + r(34, HEX),
        "netlify-token": "nf" + "p_" + r(36),
        "tailscale-key": "ts" + "key-auth-" + r(12) + "CNTRL-" + r(32),
        "alibaba-key": "LT" + "AI" + r(20),
        "jfrog-key": "AK" + "Cp" + r(69),
        "doppler-token": "dp" + ".pt." + r(43),
        "cloudflare-token": "cf" + "at_" + r(48),
        "gemini-key": "AQ" + ".Ab8RN6" + r(44, URLSAFE),
        "bedrock-key": "ABS" + "K" + r(128, B64) + "=",
        "onepassword-secret": "op" + "s_eyJ" + r(240),
        "aikido-token": "AIK" + "_CI_" + r(25),
        "apify-token": "apify" + "_api_" + r(36),
        "bitbucket-token": "BB" + "DC-" + r(40),
        "buildkite-token": "bk" + "ua_" + r(40, HEX),
        "cartesia-key": "sk" + "_car_" + r(26),
        "cerebras-key": "cs" + "k-" + r(24, HEX) + r(24, string.ascii_lowercase),
        "circleci-token": "CCI" + "PAT_" + r(22) + "_" + r(40, HEX),
        "clojars-token": "CLO" + "JARS_" + r(60, HEX),
        "cockroach-key": "CC" + "DB1_" + r(22) + "_" + r(40),
        "contentful-token": "CF" + "PAT-" + r(43, URLSAFE),
        "cursor-key": "ke" + "y_" + r(64, HEX),
        "deno-token": "dd" + "p_" + r(36),
        "devin-key": "co" + "g_" + r(52, string.ascii_lowercase + "234567"),
        "docker-swarm-token": "SWM" + "TKN-1-" + r(50, HEX) + "-" + r(25, HEX),
        "dynatrace-token": "dt0" + "c01." + r(24, UPPER) + "." + r(64, UPPER),
        "easypost-key": "EZ" + "AK" + r(54),
        "elastic-key": "es" + "su_" + r(80),
        "elevenlabs-key": "sk" + "_" + r(48, HEX),
        "firecrawl-key": "f" + "c-" + r(32, HEX),
        "harness-token": "pa" + "t." + r(22) + "." + r(24, HEX) + "." + r(20),
        "hubspot-token": "pa" + "t-na1-" + "-".join(r(n, HEX) for n in (8, 4, 4, 4, 12)),
        "infracost-key": "ic" + "o-7" + r(31),
        "llama-cloud-key": "ll" + "x-" + r(48),
        "mailersend-token": "ml" + "sn." + r(64, HEX),
        "neon-key": "na" + "pi_5" + r(63, string.ascii_lowercase + string.digits),
        "nvidia-key": "nv" + "api-" + r(64, URLSAFE),
        "nylas-key": "ny" + "k_v0_" + r(62),
        "octopus-key": "AP" + "I-2" + r(28, UPPER),
        "onesignal-key": "os" + "_v2_app_" + r(103, string.ascii_lowercase + "234567"),
        "openshift-token": "sha" + "256~" + r(43, URLSAFE),
        "packagist-token": "packagist" + "_ort_" + r(68, HEX),
        "posthog-key": "ph" + "x_" + r(43),
        "prefect-key": "pn" + "u_" + r(36),
        "pulumi-token": "pu" + "l-" + r(40, HEX),
        "resend-key": "r" + "e_" + r(8) + "_4" + r(23),
        "rootly-key": "root" + "ly_" + r(64, HEX),
        "rubygems-key": "ruby" + "gems_" + r(48, HEX),
        "runpod-key": "rp" + "a_8" + r(45, UPPER),
        "shippo-token": "ship" + "po_live_" + r(40, HEX),
        "sonar-token": "sq" + "u_" + r(40, HEX),
        "sourcegraph-token": "sg" + "p_" + r(16, HEX) + "_" + r(40, HEX),
        "tavily-key": "tv" + "ly-" + r(32),
        "teams-webhook": "webhook.of" + "fice.com/webhookb2/" + r(36) + "@" + r(36) + "/IncomingWebhook/" + r(32, HEX),
        "together-key": "tg" + "p_v1_" + r(43, URLSAFE),
        "typeform-token": "tf" + "p_" + r(44) + "_" + r(14),
        "vercel-token": "vc" + "p_" + r(60),
        "wandb-key": "wan" + "db_v1_" + r(77),
        "woocommerce-key": "c" + "k_" + r(40, HEX),
        "yandex-key": "AQ" + "VN" + r(36, URLSAFE),
        "jwt": "ey" + "J" + r(30, URLSAFE) + ".ey" + "J" + r(60, URLSAFE) + "." + r(43, URLSAFE),
        "pem-private-key": pem("RSA PRIVATE KEY", dice),
    }


def pem(label: str, dice: random.Random, lines: int = 6) -> str:
    body = ["".join(dice.choices(B64, k=64)) for _ in range(lines)] + ["".join(dice.choices(B64, k=22)) + "=="]
    return "\n".join(["-----BEG" + f"IN {label}-----", *body, "-----E" + f"ND {label}-----"])


def settings_of(seed: int) -> dict[str, tuple[str, str]]:
    """A secret of every kind that is known by its name: rule -> (what is written, the secret in it)."""
    dice = random.Random(seed)

    def r(n: int, alphabet: str = B62) -> str:
        return "".join(dice.choices(alphabet, k=n - 3)) + "5q7"

    def written(form: str, secret: str) -> tuple[str, str]:
        return form.format(secret), secret

    return {
        "aws-secret": written("aws_secret" + "_access_key = {}", r(40, B64)),
        "azure-storage-key": written("DefaultEndpointsProtocol=https;AccountName=shop;Account" + "Key={}==", r(86, B64)),
        "password": written("DB_PASS" + "WORD={}", r(14)),
        "secret": written("client_sec" + "ret: {}", r(30)),
        "token": written("CLOUDFLARE_API_TO" + "KEN={}", r(40)),
        "api-key": written("X-Api-" + "Key: {}", r(32)),
        "bearer-token": written("Authorization: Bea" + "rer {}", r(40)),
        "basic-auth": written("Authorization: Ba" + "sic {}=", r(27)),
        "cookie": written("Cookie: theme=dark; session" + "={}", r(32)),
        "url-password": written("postgres://shop:{}@db.internal:5432/shop", r(16)),
        "url-token": written("https://files.internal/a.zip?se=2027-01-01&sig={}", r(43)),
        "curl-user": written("curl -u bob:{} https://api.internal", r(12)),
        "flag-value": written("deploy --to" + "ken {}", r(24)),
    }


# ---- context: how a secret stands in a transcript -------------------------------------------------------------------

def in_a_url(secret: str) -> str:
    if secret.startswith(("hooks.", "discord", "webhook")):
        return f"https://{secret}?wait=true"
    return f"GET https://api.internal/v1/things?x={quote(secret, safe=':~')}&page=2 HTTP/1.1"


CONTEXTS = {
    "plain": lambda s: f"I used {s} for it, and then it worked.",
    "JSON, escaped": lambda s: json.dumps({"out": json.dumps({"text": f"first\n{s}\nlast", "k": s})}),
    "shell": lambda s: f"export THING='{s}' && curl -H \"X-Thing: {s}\" https://api.internal",
    "diff": lambda s: "@@ -1,2 +1,2 @@\n" + "".join(f"{sign}{line}\n" for sign in "-+" for line in s.split("\n")) + " end",
    "lines": lambda s: f"first line\n{s}\nlast line",
    "URL": in_a_url,
}
SETTING_CONTEXTS = {name: context for name, context in CONTEXTS.items() if name != "URL"} | {
    "shell": lambda s: f"export A='b' {s} && run",
    "JSON, escaped": lambda s: json.dumps({"out": json.dumps({"text": f"first\n{s}\nlast"})}),
}
