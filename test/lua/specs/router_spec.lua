local router = require("headgate.router")

local function host(exact, prefixes)
    return router.compile({
        alias = "", expressions = {},
        exact = exact, prefixes = prefixes, fallback = "", strict_paths = false,
    })
end

describe("router", function()
    -- The table of "Examples" in the documentation of Ingress, and what follows from it.
    local cases = {
        { {}, { ["/"] = "r" }, "/", "r" },
        { {}, { ["/"] = "r" }, "/any/path", "r" },
        { { ["/foo"] = "r" }, {}, "/foo", "r" },
        { { ["/foo"] = "r" }, {}, "/bar", nil },
        { { ["/foo"] = "r" }, {}, "/foo/", nil },
        { { ["/foo/"] = "r" }, {}, "/foo", nil },
        { {}, { ["/foo"] = "r" }, "/foo", "r" },
        { {}, { ["/foo"] = "r" }, "/foo/", "r" },
        { {}, { ["/aaa/bb"] = "r" }, "/aaa/bbb", nil },
        { {}, { ["/aaa/bbb"] = "r" }, "/aaa/bbb", "r" },
        { {}, { ["/aaa/bbb"] = "r" }, "/aaa/bbb/", "r" },
        { {}, { ["/aaa/bbb"] = "r" }, "/aaa/bbb/ccc", "r" },
        { {}, { ["/aaa/bbb"] = "r" }, "/aaa/bbbxyz", nil },
        { {}, { ["/aaa/bbb"] = "r" }, "/aaa", nil },
        { {}, { ["/"] = "root", ["/aaa"] = "aaa" }, "/aaa/ccc", "aaa" },
        { {}, { ["/"] = "root", ["/aaa"] = "aaa", ["/aaa/bbb"] = "bbb" }, "/aaa/bbb", "bbb" },
        { {}, { ["/"] = "root", ["/aaa"] = "aaa", ["/aaa/bbb"] = "bbb" }, "/ccc", "root" },
        { {}, { ["/aaa"] = "aaa" }, "/ccc", nil },
        { { ["/foo"] = "exact" }, { ["/foo"] = "prefix" }, "/foo", "exact" },
        { { ["/foo"] = "exact" }, { ["/foo"] = "prefix" }, "/foo/", "prefix" },
        { { ["/foo"] = "exact" }, { ["/foo"] = "prefix" }, "/foo/bar", "prefix" },
        { {}, { ["/foo"] = "prefix" }, "/foo/bar/baz/qux", "prefix" },
        { {}, { ["/a/b/c"] = "deep" }, "/a/b", nil },
        { {}, { ["/Foo"] = "r" }, "/foo", nil },
    }
    for number, case in ipairs(cases) do
        it("answers case " .. number .. ": " .. case[3], function()
            assert.equal(case[4], (router.match(host(case[1], case[2]), case[3])))
        end)
    end

    it("says how it matched", function()
        local _, how, matched = router.match(host({}, { ["/a"] = "r" }), "/a/b")
        assert.equal("prefix", how)
        assert.equal("/a", matched)
    end)

    it("looks at no more segments than the longest prefix has", function()
        local looked = 0
        local prefixes = setmetatable({}, { __index = function() looked = looked + 1 end })
        local table_of = host({}, { ["/a/b"] = "r" })
        table_of.prefixes = prefixes
        router.match(table_of, ("/x"):rep(4000))
        assert.equal(2, looked)
    end)

    it("covers one label with a wildcard", function()
        assert.equal("*.example.org", router.wildcard("www.example.org"))
        assert.equal("*.b.example.org", router.wildcard("a.b.example.org"))
        assert.is_nil(router.wildcard("localhost"))
        assert.is_nil(router.wildcard(".example.org"))
        assert.is_nil(router.wildcard(""))
    end)
end)
