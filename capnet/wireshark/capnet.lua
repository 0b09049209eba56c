-- Packet comments of `capnet annotate` as fields of Wireshark: capnet.id, capnet.change, capnet.delay and others.
--
-- Input: frame.packet_id, which is the same for one packet at every capture point, and frame.comment, such as
--   DNAT 192.168.111.128:8080 → 172.17.0.2:80, routed, TTL 64 → 63 since A/ens33 #95
-- A comment is read only if every part of it is one that capnet writes (record/bundle/packet_comments.py); others are
-- left alone. It must have an id beside it, name an earlier frame, and be no longer than capnet's own.

local capnet = Proto("capnet", "capnet")

local MAX_COMMENT = 540 -- bytes: capnet's 500, and " #" with a frame number
local MAX_COMMENTS = 16 -- of one frame that are looked at
local MAX_TUNNEL = 16 -- characters of the name of a kind of tunnel
local MAX_TEXTS = 10000 -- that are remembered: some 10 MB
local MAX_FRAMES = 4000000 -- whose times and ids are kept: some 400 MB

local field = {
    id = ProtoField.uint64("capnet.id", "Packet id", base.DEC, nil, nil, "The same for one packet at every capture point"),
    point = ProtoField.string("capnet.point", "Capture point", base.UNICODE, "Where this frame was captured"),
    change = ProtoField.string("capnet.change", "Change", base.UNICODE, "What happened since the previous point"),
    before = ProtoField.string("capnet.before", "Before", base.UNICODE, "Address or TTL before the change"),
    after = ProtoField.string("capnet.after", "After", base.UNICODE, "Address or TTL after the change"),
    tunnel = ProtoField.string("capnet.tunnel", "Tunnel", base.UNICODE, "Kind of tunnel that it entered or left"),
    tunnel_id = ProtoField.uint32("capnet.tunnel_id", "Tunnel id", base.DEC, nil, nil, "VNI, key or TEID of the tunnel"),
    since = ProtoField.string("capnet.since", "Previous point", base.UNICODE, "Capture point before this one"),
    previous = ProtoField.framenum("capnet.previous", "Frame at previous point", base.NONE),
    delay = ProtoField.relative_time("capnet.delay", "Delay since previous point", "By the clocks of both points"),
    frames = ProtoField.uint32("capnet.frames", "Frames with this id", base.DEC, nil, nil,
        "Shown when all frames have been read once, as in Wireshark's list"),
}
capnet.fields = field

-- A version of Wireshark that lacks a field has no use for the rest.
local has_fields, extract = pcall(function()
    return {
        id = Field.new("frame.packet_id"),
        comment = Field.new("frame.comment"),
        point = Field.new("frame.interface_name"),
        time = Field.new("frame.time_epoch"),
    }
end)
if not has_fields then
    return
end

local WORDS = {
    ["routed"] = true, ["fragmented"] = true, ["reassembled"] = true, ["cut"] = true, ["joined"] = true,
    ["vlan-tagged"] = true, ["vlan-untagged"] = true,
}
local TTL = "^TTL (%d+) → (%d+)$"
local REWRITTEN = "^([DS]NAT) (%S+) → (%S+)$"
local REWRITTEN_ID = "^(SNAT) (%S+ id %d+) → (%S+ id %d+)$"

local times, counts, counted = {}, {}, 0 -- by frame number, by id; frames that are counted
local texts, text_count = {}, 0 -- what comments say, by their text

function capnet.init()
    times, counts, counted = {}, {}, 0
    texts, text_count = {}, 0
end

-- Adds the fields of one part of a comment to `parts`; false if capnet does not write such a part.
local function read_part(text, parts)
    if WORDS[text] then
        table.insert(parts, { field.change, text })
        return true
    end
    local before, after = text:match(TTL)
    if before then
        table.insert(parts, { field.before, "TTL " .. before })
        table.insert(parts, { field.after, "TTL " .. after })
        return true
    end
    local kind
    kind, before, after = text:match(REWRITTEN)
    if not kind then
        kind, before, after = text:match(REWRITTEN_ID)
    end
    if kind then
        table.insert(parts, { field.change, kind })
        table.insert(parts, { field.before, before })
        table.insert(parts, { field.after, after })
        return true
    end
    local change = "encapsulated"
    local tunnel, id = text:match("^encapsulated in (%u[%u%d-]*) ?(%d*)$")
    if not tunnel then
        change = "decapsulated"
        tunnel, id = text:match("^out of (%u[%u%d-]*) ?(%d*)$")
    end
    if not tunnel or #tunnel > MAX_TUNNEL or #id > 10 or (tonumber(id) or 0) > 4294967295 then
        return false
    end
    table.insert(parts, { field.change, change })
    table.insert(parts, { field.tunnel, tunnel })
    if id ~= "" then
        table.insert(parts, { field.tunnel_id, tonumber(id) })
    end
    return true
end

-- What a comment without its frame number says: { parts =, since = }; false if capnet did not write it.
local function read_text(text)
    local changes, since = text:match("^(.+) since (%C+)$")
    if not changes then
        return false
    end
    local parts = {}
    for part in (changes .. ", "):gmatch("(.-), ") do
        if not read_part(part, parts) then
            return false
        end
    end
    return { parts = parts, since = since }
end

-- What a comment says, and the frame before; nil if capnet did not write it. All packets of a flow have the same text.
local function read_comment(comment, number)
    if #comment > MAX_COMMENT then
        return nil
    end
    local text, digits = comment:match("^(.+) #(%d+)$")
    local previous = digits and #digits <= 10 and tonumber(digits) or nil
    if digits and (not previous or previous < 1 or previous >= number) then
        return nil
    end
    text = text or comment
    if texts[text] == nil then
        if text_count == MAX_TEXTS then
            texts, text_count = {}, 0
        end
        texts[text], text_count = read_text(text), text_count + 1
    end
    return texts[text] or nil, previous
end

-- Remembers the time of the frame and, when it is read first, counts its id. Returns the time, as NSTime.
local function remember(number, key, is_visited)
    local info = extract.time()
    local time = info and info.value
    if not is_visited and counted < MAX_FRAMES then
        counted = counted + 1
        counts[key] = (counts[key] or 0) + 1
    end
    if number <= MAX_FRAMES and time then
        times[number] = time
    end
    return time
end

local function dissect(tvb, pinfo, root)
    local id = extract.id()
    if not id then
        return
    end
    local key, number = tostring(id.value), pinfo.number
    local time = remember(number, key, pinfo.visited)
    local tree = root:add(capnet, tvb(0, 0))
    tree:add(field.id, id.value):set_generated()
    if pinfo.visited and counts[key] then
        tree:add(field.frames, counts[key]):set_generated()
    end
    local point = extract.point()
    if point then
        tree:add(field.point, tostring(point.value)):set_generated()
    end
    for index, info in ipairs({ extract.comment() }) do
        local comment = index <= MAX_COMMENTS and tostring(info.value) or ""
        local change, previous = read_comment(comment, number)
        if change then
            tree:append_text(": " .. comment)
            for _, part in ipairs(change.parts) do
                tree:add(part[1], part[2]):set_generated()
            end
            tree:add(field.since, change.since):set_generated()
            if previous then
                tree:add(field.previous, previous):set_generated()
            end
            if time and previous and times[previous] then
                tree:add(field.delay, time - times[previous]):set_generated()
            end
            return
        end
    end
end

function capnet.dissector(tvb, pinfo, root)
    pcall(dissect, tvb, pinfo, root) -- a field of an odd type must not stop the display of a frame
end

register_postdissector(capnet)
