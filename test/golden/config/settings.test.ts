import { join } from "node:path";
import { test } from "node:test";
import { settingsDocument } from "../../../agent/config/settings-document.ts";

test("docs/settings.md says what the table says", (t) => {
  t.assert.fileSnapshot(settingsDocument(), join(import.meta.dirname, "../../../docs/settings.md"), {
    serializers: [(text: unknown) => String(text)],
  });
});
