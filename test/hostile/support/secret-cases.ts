// Harms inside Secrets of key pairs.

import { execFileSync } from "node:child_process";
import { makePair } from "../../e2e/support/certificates.ts";
import { type Case, INGRESS, LAST_GOOD, swap } from "./case.ts";
import type { ExpectedProblem } from "./status.ts";
import { asBefore, base64, type Site } from "./victim.ts";

/** The pair of the victim as openssl writes it when it is told something else. */
function openssl(args: readonly string[], input: string): string {
  return execFileSync("openssl", args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "ignore"] });
}

function badSecret(message: RegExp): ExpectedProblem {
  return { code: "secret-invalid", object: INGRESS, field: /^spec\.tls\[0\]\.secretName$/, message };
}

/** A Secret with another key, or another certificate, in the victim's place. */
function swapKey(other: (site: Site) => string): Case["harm"] {
  return (site) => site.write(site.swapped(base64(site.pair.key), base64(other(site))));
}
function swapCertificate(other: (site: Site) => string): Case["harm"] {
  return (site) => site.write(site.swapped(base64(site.pair.certificate), base64(other(site))));
}

export const SECRET_CASES: readonly Case[] = [
  {
    name: "a chain of two thousand certificates",
    harm: swapCertificate(({ pair }) => `${pair.certificate}\n`.repeat(2_000)),
    problem: badSecret(/data\["tls\.crt"\] is longer than 200000 characters/),
    answers: LAST_GOOD,
  },
  {
    name: "a chain of a hundred certificates",
    harm: swapCertificate(({ pair }) => `${pair.certificate}\n`.repeat(100)),
    problem: badSecret(/data\["tls\.crt"\] holds 100 certificates, more than 16/),
    answers: LAST_GOOD,
  },
  {
    name: "a key under a passphrase",
    harm: swapKey(({ pair }) => openssl(["pkcs8", "-topk8", "-passout", "pass:x"], pair.key)),
    problem: badSecret(/data\["tls\.key"\] is encrypted with a passphrase/),
    answers: LAST_GOOD,
  },
  {
    name: "a key of another kind",
    harm: swapKey(() => openssl(["genrsa", "2048"], "")),
    problem: badSecret(/data\["tls\.key"\] does not belong to the certificate/),
    answers: LAST_GOOD,
  },
  {
    name: "thousands of keys that begin and never end",
    harm: swapKey(() => "-----BEGIN PRIVATE KEY-----".repeat(7_000)),
    problem: badSecret(/data\["tls\.key"\] holds no PEM private key/),
    answers: LAST_GOOD,
  },
  {
    name: "certificate and key in each other's place",
    harm: (site) => {
      const { certificate, key } = site.pair;
      const swapped = site.text().replace(base64(certificate), "#").replace(base64(key), base64(certificate));
      return site.write(swapped.replace("#", base64(key)));
    },
    problem: badSecret(/data\["tls\.crt"\] holds no PEM certificate/),
    answers: LAST_GOOD,
  },
  {
    name: "a certificate whose names have a zero byte is for none of the hosts before it",
    harm: async (site) => {
      const { certificate, key } = await makePair("victim\0.example.test", ["victim.example.test\0.evil.test"]);
      const text = site.text().replace(base64(site.pair.certificate), base64(certificate));
      await site.write(text.replace(base64(site.pair.key), base64(key)));
    },
    problem: {
      code: "certificate-name",
      object: INGRESS,
      field: /^spec\.tls\[0\]/,
      message: /./,
    },
    answers: asBefore({ host: "served as victim\0.example.test" }),
  },
  {
    name: "line ends of Windows and NULs between the blocks are of no harm",
    harm: async (site) => {
      const { certificate, key } = site.pair;
      const windows = (text: string): string => `\0${text.replaceAll("\n", "\r\n")}\0`;
      const text = site.text().replace(base64(certificate), base64(windows(certificate)));
      await site.write(text.replace(base64(key), base64(windows(key))));
    },
    problem: null,
    answers: LAST_GOOD,
  },
  {
    name: "a Secret that is no key pair",
    harm: (site) => site.write(site.swapped(base64(site.pair.key), base64("a key"))),
    problem: badSecret(/Secret shop\/victim-tls is no key pair: data\["tls\.key"\] holds no PEM private key/),
    answers: LAST_GOOD,
  },
  {
    name: "a Secret whose key belongs to another certificate",
    harm: (site) => site.write(site.swapped(base64(site.pair.key), base64(site.otherPair.key))),
    problem: badSecret(/data\["tls\.key"\] does not belong to the certificate/),
    answers: LAST_GOOD,
  },
  {
    name: "a Secret that is not base64",
    harm: swap("  tls.key: ", "  tls.key: '*** not base64 ***' # "),
    problem: badSecret(/data\["tls\.key"\] is not base64/),
    answers: LAST_GOOD,
  },
  {
    name: "a Secret without a certificate",
    harm: swap("  tls.crt: ", "  tls.cert: "),
    problem: badSecret(/data\["tls\.crt"\] is missing/),
    answers: LAST_GOOD,
  },
  {
    name: "a certificate that is cut off",
    harm: (site) => {
      const cut = site.pair.certificate.replace(/\n.{20}/, "\n");
      return site.write(site.swapped(base64(site.pair.certificate), base64(cut)));
    },
    problem: badSecret(/data\["tls\.crt"\] certificate 1 of 1 cannot be read/),
    answers: LAST_GOOD,
  },
];
