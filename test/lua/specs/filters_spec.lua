local filters = require("headgate.filters")
local rewrite = require("headgate.filters.rewrite")

-- Lua patterns in place of PCRE.
local regex = {
    compiled = function(pattern)
        if pattern == "(" then
            return nil, "missing )"
        end
        return { pattern = pattern }
    end,
    captures = function(handle, subject)
        if handle.pattern == "gives up" then
            return nil, "gave up"
        end
        local found = { subject:match(handle.pattern) }
        if #found == 0 then
            return nil
        end
        for i = 1, 9 do
            found[i] = found[i] ~= "" and found[i] or false
        end
        return found
    end,
}

local function rewritten(pattern, target, path, uri)
    local prepared = rewrite.new({ pattern = pattern, target = target }, regex)
    return rewrite.apply(prepared, path, uri or path)
end

local function stripped(prefix, target, path, uri)
    return rewrite.apply(rewrite.new_strip({ prefix = prefix, target = target }), path, uri or path)
end

describe("rewrites", function()
    it("put captures into the target", function()
        assert.equal("/x/y", (rewritten("^/a/(.*)", "/$1", "/a/x/y")))
        assert.equal("/b/x-a", (rewritten("^/(.)/(.*)", "/b/$2-$1", "/a/x")))
        assert.equal("/a0", (rewritten("^/(.)", "/$10", "/a")))
        assert.equal("/", (rewritten("^/a(.*)", "/$1$2", "/a")))
        assert.equal("/x", (rewritten("^/a/(.*)", "$1", "/a/x")))
        assert.equal("/", (rewritten("^/a", "", "/a")))
        assert.equal("/other?q=%20", (rewritten("^/a", "/b", "/other", "/other?q=%20")))
    end)

    it("keep the query, behind that of the target", function()
        assert.equal("/b?x=1&y", (rewritten("^/a", "/b", "/a", "/a?x=1&y#z")))
        assert.equal("/b?n=7&x=1", (rewritten("^/a/(.)", "/b?n=$1", "/a/7", "/a/7?x=1")))
        assert.equal("/b?n=7", (rewritten("^/a/(.)", "/b?n=$1", "/a/7", "/a/7")))
        assert.equal("/b?x", (rewritten("^/a", "/b?", "/a", "/a?x")))
        assert.equal("/b?c?d", (rewritten("^/a", "/b?c?d", "/a", "/a#x?y")))
    end)

    it("encode what a capture holds", function()
        local path = "/a/ ?#%\1\127é\r\n;&+=b"
        assert.equal("/%20%3F%23%25%01%7F%C3%A9%0D%0A;&+=b", (rewritten("^/a/(.*)", "/$1", path)))
        assert.equal("/?q=%20%3F%23%25%01%7F%C3%A9%0D%0A%3B%26%2B=b",
            (rewritten("^/a/(.*)", "/?q=$1", path)))
        assert.equal("/a%20b%23%25zz%2F", (rewritten("^/", "/a b#%zz%2F", "/")))
    end)

    it("never let a byte out that ends a request line or breaks an escape", function()
        math.randomseed(3)
        for _ = 1, 2000 do
            local letters = {}
            for i = 1, math.random(0, 12) do
                letters[i] = string.char(math.random(0, 255))
            end
            local path = "/a/" .. table.concat(letters)
            for _, result in ipairs({
                rewritten("^/a/([%z\1-\255]*)", "/$1/x?y=$1", path, "/") or "/",
                stripped("/a", "/b c", path, "/") or "/",
            }) do
                assert.is_nil(result:find("[%z\1-\32\127-\255#]"))
                assert.is_nil(result:gsub("%%%x%x", ""):find("%", 1, true))
                assert.is_nil(result:match("%?(.*)", 1) and result:match("%?.*%?"))
            end
        end
    end)

    it("refuse a dot segment that they make", function()
        for _, rest in ipairs({ "../x", "..", ".", "..;/x", "./x", "..;a=b" }) do
            local uri, status = rewritten("^/a(.*)", "/b/$1", "/a" .. rest)
            assert.is_nil(uri, rest)
            assert.equal(400, status)
        end
        for _, rest in ipairs({ "..x", ".x", "x..", "...", "%2e%2e/x" }) do
            assert.is_string((rewritten("^/a(.*)", "/b/$1", "/a" .. rest, "/")), rest)
        end
    end)

    it("answer 503 when their pattern gives up", function()
        local uri, status, reason = rewritten("gives up", "/", "/")
        assert.is_nil(uri)
        assert.equal(503, status)
        assert.equal("rewrite: gave up", reason)
    end)
end)

describe("strips", function()
    it("replace a prefix by whole segments", function()
        assert.equal("/bar/x", (stripped("/foo", "/bar", "/foo/x")))
        assert.equal("/bar", (stripped("/foo", "/bar", "/foo")))
        assert.equal("/bar/", (stripped("/foo/", "/bar/", "/foo/")))
        assert.equal("/x", (stripped("/foo", "/", "/FOO/x")))
        assert.equal("/", (stripped("/foo", "/", "/foo")))
        assert.equal("/bar/x", (stripped("/", "/bar", "/x")))
        assert.equal("/food?x", (stripped("/foo", "/bar", "/food", "/food?x")))
        assert.equal("/bar/%20?x=%20", (stripped("/foo", "/bar", "/foo/ ", "/foo/%20?x=%20")))
    end)

    it("refuse a dot segment with parameters", function()
        assert.is_nil((stripped("/foo", "/bar", "/foo/..;/x")))
    end)
end)

describe("filters", function()
    it("of a route without any are nothing", function()
        assert.is_nil(filters.compile({}, regex))
    end)

    it("are kept by their kind", function()
        local guard = { kind = "access", allow = {}, deny = {} }
        local found = filters.compile({
            guard, guard, { kind = "app_root", path = "/a b" },
            { kind = "upstream_tls_name", name = "web" },
            { kind = "strip", prefix = "/a", target = "/" },
        }, regex)
        assert.equal(2, #found.guards)
        assert.equal("/a%20b", found.app_root)
        assert.equal("web", found.tls_name)
        assert.is_table(found.rewrite)
    end)

    it("are refused with a pattern that cannot be compiled, or of an unknown kind", function()
        local broken = { kind = "rewrite", pattern = "(", target = "/" }
        local found, err = filters.compile({ broken }, regex)
        assert.is_nil(found)
        assert.matches("missing %)", err)
        assert.is_nil((filters.compile({ { kind = "auth" } }, regex)))
    end)

    it("have at most 5,000 networks", function()
        local many = {}
        for i = 1, 2501 do
            many[i] = "10.0.0.0/8"
        end
        assert.is_string(filters.check({ { kind = "access", allow = { many }, deny = many } }, "f"))
        assert.is_nil(filters.check({ { kind = "access", allow = { many }, deny = {} } }, "f"))
    end)
end)
