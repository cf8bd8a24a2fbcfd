local expressions = require("headgate.expressions")

-- Lua patterns in place of PCRE: the index must not care. "(?fail)" stands for one that gives up.
local function regex(seen)
    local spent_s = 0
    return {
        clock = function()
            return spent_s
        end,
        new = function(pattern)
            return { pattern = pattern }
        end,
        test = function(handle, path)
            if seen then
                seen[#seen + 1] = handle.pattern
            end
            if handle.pattern == "^/fail" then
                return false, "gave up"
            end
            spent_s = spent_s + (handle.pattern:find("dear", 1, true) and 0.001 or 0)
            return string.find(path:lower(), handle.pattern:lower()) ~= nil
        end,
    }
end

local function compile(list, seen)
    local entries = {}
    for i, entry in ipairs(list) do
        entries[i] = { prefix = entry[1], pattern = entry[2] or "", route = "r" .. i }
    end
    return expressions.compile(entries, regex(seen))
end

-- What the index must answer, by looking at each expression in turn.
local function naive(list, path)
    for i, entry in ipairs(list) do
        local prefix, pattern = entry[1], entry[2] or ""
        if path:lower():sub(1, #prefix) == prefix then
            if pattern == "^/fail" then
                return nil, i, "gave up"
            end
            if pattern == "" or path:lower():find(pattern:lower()) then
                return "r" .. i, i
            end
        end
    end
end

local function word(random, letters, length_max)
    local out = {}
    for i = 1, random(0, length_max) do
        local at = random(#letters)
        out[i] = letters:sub(at, at)
    end
    return table.concat(out)
end

local function nodes_below(node)
    local count = 1
    for _, child in pairs(node.children or {}) do
        count = count + nodes_below(child)
    end
    return count
end

describe("expressions", function()
    it("give the first that matches, by literals and patterns", function()
        local of = compile({
            { "/api/v2" }, { "/api/", "^/api/%d+$" }, { "/api" }, { "/", "%.php$" }, { "/never" },
        })
        local cases = {
            ["/api/v2/x"] = "r1", ["/API/V2"] = "r1", ["/api/77"] = "r2", ["/api/77/"] = "r3",
            ["/apis"] = "r3", ["/x.php"] = "r4", ["/x"] = false, ["/"] = false, ["/ap"] = false,
        }
        for path, route in pairs(cases) do
            assert.equal(route or nil, (expressions.match(of, path)), path)
        end
    end)

    it("fold ASCII alone", function()
        local of = compile({ { "/é" }, { "/[" }, { "/@" } })
        assert.equal("r1", (expressions.match(of, "/éa")))
        assert.is_nil((expressions.match(of, "/Éa")))
        assert.equal("r2", (expressions.match(of, "/[")))
        assert.is_nil((expressions.match(of, "/{")))
        assert.is_nil((expressions.match(of, "/`")))
    end)

    it("stop at a pattern that fails, and at none that stands behind the match", function()
        local seen = {}
        local of = compile({ { "/a", "^/ab" }, { "/f", "^/fail" }, { "/" }, { "/a", "^/a" } }, seen)
        local route, position, err = expressions.match(of, "/f")
        assert.is_nil(route)
        assert.equal(2, position)
        assert.equal("gave up", err)
        assert.equal("^/fail", expressions.name(of, position))
        seen[1] = nil
        assert.equal("r3", (expressions.match(of, "/ax")))
        assert.same({ "^/ab" }, seen)
    end)

    it("stop where many patterns cost a path too much", function()
        local cheap, dear = {}, {}
        for i = 1, 1000 do
            cheap[i] = { "/", "^/cheap" .. i .. "$" }
            dear[i] = { "/", "^/dear" .. i .. "$" }
        end
        assert.equal("r1000", (expressions.match(compile(cheap), "/cheap1000")))
        local route, position, err = expressions.match(compile(dear), "/dear1000")
        assert.is_nil(route)
        assert.is_true(position < 200)
        assert.matches("cost this path too much", err)
        assert.equal("r20", (expressions.match(compile(dear), "/dear20")))
    end)

    it("ask few of many", function()
        local list, seen = {}, {}
        for i = 1, 3000 do
            list[i] = { "/p" .. i .. "/", i % 15 == 0 and "^/p" .. i .. "/%d+$" or nil }
        end
        local of = compile(list, seen)
        assert.equal("r1500", (expressions.match(of, "/p1500/7")))
        assert.same({ "^/p1500/%d+$" }, seen)
        assert.is_nil((expressions.match(of, "/p3001/")))
        assert.same({ "^/p1500/%d+$" }, seen)
    end)

    it("have an index whose size is that of the list, however long the literals", function()
        local list = {}
        for i = 1, 2000 do
            list[i] = { "/" .. ("x"):rep(3000) .. ("%04d"):format(i) }
        end
        local of = compile(list)
        assert.is_true(nodes_below(of.root) < 2 * #list)
        assert.equal("r77", (expressions.match(of, "/" .. ("X"):rep(3000) .. "00777")))
        local nested = {}
        for i = 1, 1000 do
            nested[i] = { "/" .. ("y"):rep(1000 - i) }
        end
        of = compile(nested)
        assert.is_true(nodes_below(of.root) < 2 * #nested)
        assert.equal("r501", (expressions.match(of, "/" .. ("y"):rep(499) .. "z")))
    end)

    it("answer as looking at each in turn does", function()
        math.randomseed(20150811)
        local random = math.random
        local patterns = { "", "", "", "^/a", "b$", "^/a?b*c", "%d", "^/fail" }
        for _ = 1, 400 do
            local list = {}
            local letters = random(2) == 1 and "ab" or "abc/1"
            for i = 1, random(0, random(2) == 1 and 5 or 120) do
                list[i] = { "/" .. word(random, letters, 6), patterns[random(#patterns)] }
            end
            local of = compile(list)
            for _ = 1, 40 do
                local path = "/" .. word(random, letters .. "A", 9)
                assert.same({ naive(list, path) }, { expressions.match(of, path) }, path)
            end
        end
    end)
end)
