local paths = require("headgate.paths")

describe("strict paths", function()
    local sent = {
        ["/"] = "/", ["/a/b"] = "/a/b", ["/a/b/"] = "/a/b/", ["//a///b"] = "/a/b",
        ["/a/./b"] = "/a/b", ["/./a"] = "/a", ["/a/."] = "/a/", ["/a//"] = "/a/", ["//"] = "/",
        ["/a%20b"] = "/a%20b", ["/a;v=1"] = "/a;v=1", ["/...a/..b"] = "/...a/..b",
        ["/%E2%82%AC"] = "/%E2%82%AC", ["/.well-known/x"] = "/.well-known/x",
    }
    for raw, path in pairs(sent) do
        it("sends " .. raw .. " as " .. path, function()
            assert.equal(path, (paths.strict(raw)))
        end)
    end
    local refused = {
        "/x/..%2fadmin", "/x/%2e%2e/admin", "/x/../admin", "/x/..", "/..", "/x/.%2E/admin",
        "/x/..;/admin", "/;/admin", "/a;b/admin", "/x/..;", "/x/%2e%2e;a=b", "/x/.;/admin",
        "/\\admin", "/x%5cadmin", "/x%5C..%5Cadmin", "/#/../admin", "/%00", "/a%0d%0aX:%20y",
        "/a%1f", "/a%7F", "/a\tb", "/%2e/admin", "/x/%2E", "/a%3b/admin", "/a%3B", "/%zz", "/%2",
        "/%", "/%c0%ae%c0%ae/admin", "/%c0%afadmin", "/%C1%9cadmin", "admin", "",
    }
    for _, raw in ipairs(refused) do
        it("refuses " .. ("%q"):format(raw), function()
            local path, reason = paths.strict(raw)
            assert.is_nil(path)
            assert.is_string(reason)
        end)
    end
    it("changes nothing in what it has sent once", function()
        for _, path in pairs(sent) do
            assert.equal(path, (paths.strict(path)))
        end
    end)
    it("knows what else a backend could read", function()
        local cases = {
            ["/a b/100%"] = {}, ["/50%zz"] = {}, ["/a;x"] = { "/a;x", "/a" },
            ["/a?b"] = { "/a?b", "/a" }, ["/a;x#b"] = { "/a;x#b", "/a;x", "/a" },
            ["/%61dmin"] = { "/admin" },
            ["/%61dmin?x%00"] = { "/%61dmin?x%00", "/%61dmin", "/admin" },
            ["/%61;x"] = { "/%61;x", "/%61", "/a;x", "/a" },
        }
        for judged, readings in pairs(cases) do
            assert.same(readings, paths.readings(judged))
        end
        for _, judged in ipairs({ "/%2e%2e/a", "/x%2fa", "/%5ca", "/a%3b", "/%00", "/%2561" }) do
            assert.is_nil(paths.readings(judged))
        end
    end)
    it("reads a path without its parameters", function()
        assert.equal("/admin", paths.without_parameters("/admin;jsessionid=1"))
        assert.equal("/a/b", paths.without_parameters("/a;x/b;y"))
    end)
end)

describe("normalised paths", function()
    local cases = {
        ["/"] = "/", ["/a"] = "/a", ["/a/"] = "/a/", ["//a///b"] = "/a/b", ["/a/./b"] = "/a/b",
        ["/a/../b"] = "/b", ["/a/b/.."] = "/a/", ["/a/."] = "/a/", ["/%61%2Fb"] = "/a/b",
        ["/a/%2e%2e/b"] = "/b", ["/a?b=/../c"] = "/a", ["/a#/../c"] = "/a", ["/a;b"] = "/a;b",
        ["/a/.."] = "/", ["/..a"] = "/..a",
    }
    for raw, path in pairs(cases) do
        it("reads " .. raw .. " as " .. path, function()
            assert.equal(path, paths.normalise(raw))
        end)
    end
    it("knows no path above the root", function()
        assert.is_nil(paths.normalise("/../a"))
        assert.is_nil(paths.normalise("/a/../../b"))
    end)
end)

describe("encoded URIs", function()
    it("leaves what a URI may hold", function()
        local uri = "/a%20b/c?x=1&y=%2F&z=[1]"
        assert.equal(uri, paths.encode(uri))
    end)
    it("lets out no byte that a header or a URL may not have", function()
        for code = 0, 255 do
            local encoded = paths.encode("/a" .. string.char(code) .. "b")
            assert.is_nil(encoded:find("[%z\1-\32\127-\255\"<>\\^`{|}]"))
            assert.is_nil(encoded:gsub("%%%x%x", ""):find("%", 1, true))
        end
    end)
    it("mends a broken escape", function()
        assert.equal("/?a=%25zz%254", paths.encode("/?a=%zz%4"))
        assert.equal("/?a=%25%41", paths.encode("/?a=%%41"))
    end)
end)

describe("hosts", function()
    it("reads a Host header as nginx does", function()
        local cases = {
            ["Example.ORG"] = "example.org", ["example.org:8080"] = "example.org",
            ["example.org."] = "example.org", ["example.org.:80"] = "example.org",
            ["[2001:DB8::1]:80"] = "[2001:db8::1]",
        }
        for raw, host in pairs(cases) do
            assert.equal(host, paths.host_of(raw))
        end
    end)
    it("makes no host of one with a port that is none", function()
        for _, raw in ipairs({ "a.b:8x", "a.b:80:80", "u:p@a.b", "a.b:@c", "[::1]x" }) do
            assert.is_false(paths.is_host(paths.host_of(raw)))
        end
    end)
    it("knows what can be a host", function()
        for _, host in ipairs({ "a", "a.b-c.org", "10.0.0.1", "[::1]", "a_b" }) do
            assert.is_true(paths.is_host(host))
        end
        for _, host in ipairs({ "", "a b", "a\"b", "a<b", "a\1", "é", "[x]", ("a"):rep(254) }) do
            assert.is_false(paths.is_host(host))
        end
    end)
end)
