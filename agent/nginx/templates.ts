// nunjucks, set so that a forgotten filter or a missing field is an error and never an empty string in nginx.conf.
// Templates can run code: they are read from Headgate's own folder and from nowhere else.

import nunjucks from "nunjucks";

import type { TemplateEngine } from "../render/files.ts";
import { header, logFormat, lua, printable, q, serverName, tok, variable } from "../render/quote.ts";

/** The engine over a folder of templates. Throws what nunjucks throws: with file, line and column. */
export function openTemplates(directory: string): TemplateEngine {
  const environment = new nunjucks.Environment(new nunjucks.FileSystemLoader(directory), {
    autoescape: false,
    throwOnUndefined: true,
    trimBlocks: true,
    lstripBlocks: true,
  });
  environment.addFilter("tok", tok);
  environment.addFilter("q", q);
  environment.addFilter("lua", lua);
  environment.addFilter("serverName", serverName);
  environment.addFilter("logFormat", logFormat);
  environment.addFilter("variable", variable);
  environment.addFilter("header", header);
  // Every {{ }} of a compiled template passes through this function; the library has no other hook for it.
  // The types do not tell of it.
  const runtime = nunjucks.runtime as unknown as { suppressValue: (value: unknown) => string };
  runtime.suppressValue = printable;
  return { render: (name, context) => environment.render(name, context) };
}
