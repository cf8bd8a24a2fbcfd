import assert from "node:assert/strict";
import { test } from "node:test";
import type { AgentError } from "../../../agent/lib/errors.ts";
import { parseVersionOutput, probeNginx } from "../../../agent/nginx/probe-nginx.ts";

const DEBIAN = `nginx version: nginx/1.26.3
built with OpenSSL 3.4.0
configure arguments: --prefix=/usr/share/nginx --modules-path=/usr/lib/nginx/modules --with-http_ssl_module
`;
const OPENRESTY = `nginx version: openresty/1.27.1.2
configure arguments: --prefix=/usr/local/openresty/nginx --add-module=../ngx_devel_kit-0.3.3 --add-module=../ngx_lua-0.10.28
`;
const BUILT_IN = `nginx version: nginx/1.24.0
configure arguments: --prefix=/opt/nginx --add-module=/build/lua-nginx-module-0.10.25
`;

test("Debian's nginx loads Lua from its modules path", () => {
  assert.deepEqual(parseVersionOutput(DEBIAN), {
    version: "1.26.3",
    modulesPath: "/usr/lib/nginx/modules",
    luaBuiltIn: false,
    openresty: false,
  });
});

test("OpenResty and an nginx built with Lua load no modules", () => {
  assert.equal(parseVersionOutput(OPENRESTY)?.luaBuiltIn, true);
  assert.equal(parseVersionOutput(OPENRESTY)?.openresty, true);
  assert.equal(parseVersionOutput(BUILT_IN)?.luaBuiltIn, true);
});

test("anything else is no nginx", () => {
  assert.equal(parseVersionOutput("Server version: Apache/2.4.62"), null);
});

test("a missing binary is named with the package to install", async () => {
  await assert.rejects(probeNginx("/nowhere/nginx", new AbortController().signal), (error: AgentError) => {
    assert.equal(error.code, "nginx-missing");
    assert.match(error.message, /\/nowhere\/nginx/);
    assert.match(error.hint ?? "", /apt install nginx libnginx-mod-http-lua/);
    return true;
  });
});

test("a program that is no nginx is named", async () => {
  await assert.rejects(probeNginx("/bin/true", new AbortController().signal), /cannot read the version/);
});
