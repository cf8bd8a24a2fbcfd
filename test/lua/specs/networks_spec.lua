local networks = require("headgate.networks")
local access = require("headgate.filters.access")

local function bytes(...)
    return string.char(...)
end

local function v6(...)
    local out = {}
    for i, group in ipairs({ ... }) do
        out[i] = string.char(math.floor(group / 256), group % 256)
    end
    return table.concat(out)
end

describe("networks", function()
    it("reads addresses", function()
        assert.equal(bytes(10, 0, 200, 255), networks.address("10.0.200.255"))
        assert.equal(v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), networks.address("2001:db8::1"))
        assert.equal(v6(0, 0, 0, 0, 0, 0, 0, 0), networks.address("::"))
        assert.equal(v6(1, 0, 0, 0, 0, 0, 0, 0), networks.address("1::"))
        assert.equal(v6(1, 2, 3, 4, 5, 6, 7, 0xabcd), networks.address("1:2:3:4:5:6:7:ABCD"))
        assert.equal(v6(0, 0, 0, 0, 0, 0xffff, 0x0a00, 1), networks.address("::ffff:10.0.0.1"))
        assert.equal(v6(1, 2, 3, 4, 5, 6, 0x0a00, 1), networks.address("1:2:3:4:5:6:10.0.0.1"))
    end)

    it("refuses what is no address", function()
        for _, text in ipairs({
            "", "10.0.0", "10.0.0.256", "10.0.0.01", "10.0.0.1.1", "a.b.c.d", ":", ":::", "1::2::3",
            "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "g::", "1:", ":1",
            "::1:", "10.0.0.1::", "::10.0.0.1:1", ".a::b:1.2.3.4", "unix:", "::1%eth0", "[::1]",
            " ::1",
        }) do
            assert.is_nil(networks.address(text), text)
        end
    end)

    it("reads networks without host bits", function()
        for text, range in pairs({
            ["10.0.0.0/8"] = { bytes(10, 0, 0, 0), bytes(10, 255, 255, 255) },
            ["10.0.8.0/21"] = { bytes(10, 0, 8, 0), bytes(10, 0, 15, 255) },
            ["0.0.0.0/0"] = { bytes(0, 0, 0, 0), bytes(255, 255, 255, 255) },
        }) do
            assert.same(range, { networks.parse(text) })
        end
        local address = bytes(192, 0, 2, 1)
        assert.same({ address, address }, { networks.parse("192.0.2.1/32") })
        for _, text in ipairs({
            "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0", "10.0.0.0/08", "::/129",
            "::1/127", "10.0.0.0/-1", "10.0.0.0/8/8", "/8",
        }) do
            assert.is_nil(networks.parse(text), text)
        end
    end)

    it("holds what one of its networks holds", function()
        math.randomseed(7)
        local random = math.random
        for _ = 1, 200 do
            local list, tests = {}, {}
            for i = 1, random(0, 30) do
                local bits = random(0, 16)
                local number = random(0, 65535)
                number = number - number % 2 ^ (16 - bits)
                list[i] = ("10.7.%d.%d/%d"):format(number / 256, number % 256, 16 + bits)
                tests[i] = { number, number + 2 ^ (16 - bits) - 1 }
            end
            local set = networks.compile(list)
            for _ = 1, 50 do
                local number = random(0, 65535)
                local held = false
                for _, range in ipairs(tests) do
                    held = held or (number >= range[1] and number <= range[2])
                end
                local address = bytes(10, 7, math.floor(number / 256), number % 256)
                assert.equal(held, networks.contains(set, address))
                assert.is_false(networks.contains(set, v6(10, 7, 0, 0, 0, 0, 0, number)))
            end
        end
    end)

    it("takes IPv4 in IPv6 clothes as IPv4, in clients and in lists", function()
        local mapped = networks.address("::ffff:10.1.2.3")
        assert.equal(bytes(10, 1, 2, 3), networks.client(mapped))
        local set = networks.compile({ "::ffff:10.0.0.0/104", "2001:db8::/32" })
        assert.is_true(networks.contains(set, networks.client(mapped)))
        assert.is_true(networks.contains(set, networks.address("2001:db8:ffff::1")))
        assert.is_false(networks.contains(set, networks.address("2001:db9::")))
        assert.is_false(networks.contains(set, networks.address("11.0.0.0")))
        assert.is_false(networks.contains(networks.compile({ "::/0" }), networks.client(mapped)))
    end)
end)

describe("the guard by address", function()
    local function passes(allow, deny, client)
        local guard = access.new({ allow = allow, deny = deny })
        return access.passes(guard, networks.client(client and networks.address(client) or ""))
    end

    it("lets through whom each list that allows holds, and nobody who is denied", function()
        assert.is_true(passes({ { "10.0.0.0/8" } }, {}, "10.1.1.1"))
        assert.is_false(passes({ { "10.0.0.0/8" } }, {}, "11.1.1.1"))
        assert.is_false(passes({ { "10.0.0.0/8" } }, { "10.1.0.0/16" }, "10.1.1.1"))
        assert.is_true(passes({ { "10.0.0.0/8" } }, { "10.1.0.0/16" }, "10.2.1.1"))
        assert.is_true(passes({ { "10.0.0.0/8" }, {}, { "10.2.0.0/16" } }, {}, "10.2.1.1"))
        assert.is_false(passes({ { "10.0.0.0/8" }, { "10.2.0.0/16" } }, {}, "10.1.1.1"))
        assert.is_true(passes({}, { "10.0.0.0/8" }, "::1"))
        assert.is_false(passes({ { "0.0.0.0/0" } }, {}, "::1"))
    end)

    it("lets nobody through whose address it does not know", function()
        assert.is_false(passes({}, {}, nil))
        assert.is_false(passes({ { "0.0.0.0/0", "::/0" } }, {}, nil))
    end)
end)
