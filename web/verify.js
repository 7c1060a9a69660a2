// SPDX-License-Identifier: Apache-2.0
// Checking receipts and logs here, in the reader's own browser, without believing the server:
// docs/formats/receipt.md, DSSE v1.0, RFC 8032 (Ed25519), RFC 6962 section 2, and C2SP's
// signed-note, tlog-checkpoint and tlog-tiles.
//
// get(path) gives the bytes at a path of the server, or null. `memory` is what this browser saw
// before: {key, log_key, log_size, log_root}, texts or undefined; what should be remembered
// from now on is in the results, and the caller keeps it.

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });
const ED25519 = 1; // type of a key in signed notes
const HASH = 32;
const TILE = 256; // hashes in a full tile

export class Wrong extends Error {} // what was checked does not hold
export class Open extends Error {} // it could not be checked

const need = (holds, what) => {
  if (!holds) {
    throw new Wrong(what);
  }
};

/** For work on bytes that are here already: whatever it trips over is in them. */
async function strictly(work) {
  try {
    return await work();
  } catch (error) {
    throw error instanceof Wrong || error instanceof Open ? error : new Wrong("it is malformed");
  }
}

function subtle() {
  if (!globalThis.crypto?.subtle) {
    throw new Open("browsers check signatures only on this machine or over https");
  }
  return globalThis.crypto.subtle;
}

async function sha256(...parts) {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new Uint8Array(await subtle().digest("SHA-256", all));
}

const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

export function fromBase64(word) {
  need(/^[A-Za-z0-9+/]*={0,2}$/.test(word) && word.length % 4 === 0, "that is no base64");
  return Uint8Array.from(atob(word), (c) => c.charCodeAt(0));
}
export const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

// --- keys and signatures ---------------------------------------------------------------------

/** Reads "NAME+HHHHHHHH+BASE64(1, key)". */
export async function readKey(line) {
  const match = /^([^+\s]+)\+([0-9a-f]{8})\+(\S+)$/.exec(line.trim());
  need(match, "that is no public key");
  const bytes = fromBase64(match[3]);
  need(bytes.length === 1 + HASH && bytes[0] === ED25519, "the key is not of Ed25519");
  const digest = await sha256(utf8.encode(`${match[1]}\n`), bytes);
  need(hex(digest.slice(0, 4)) === match[2], "the key is not the one that its name says");
  return { line: line.trim(), name: match[1], id: digest.slice(0, 4), short: `${match[1]}+${match[2]}`, bytes: bytes.slice(1) };
}

async function signed(key, signature, message) {
  let imported;
  try {
    imported = await subtle().importKey("raw", key.bytes, { name: "Ed25519" }, false, ["verify"]);
  } catch (error) {
    throw error instanceof Open ? error : new Open("this browser has no Ed25519");
  }
  return subtle().verify({ name: "Ed25519" }, imported, signature, message);
}

// --- a receipt -------------------------------------------------------------------------------

/** The statement in an envelope that `key` has signed. */
export async function openReceipt(file, key) {
  let envelope;
  try {
    envelope = JSON.parse(text.decode(file));
  } catch {
    throw new Wrong("that is no envelope");
  }
  const { payloadType, payload, signatures } = envelope;
  need(payloadType === "application/vnd.in-toto+json" && typeof payload === "string" &&
    Array.isArray(signatures) && signatures.length <= 16, "that is no envelope of a receipt");
  const bytes = fromBase64(payload);
  const head = utf8.encode(`DSSEv1 ${payloadType.length} ${payloadType} ${bytes.length} `);
  const message = new Uint8Array(head.length + bytes.length);
  message.set(head);
  message.set(bytes, head.length);
  let good = false;
  for (const { sig } of signatures) {
    good ||= typeof sig === "string" && await signed(key, fromBase64(sig), message);
  }
  need(good, "the signature is not of this key over this text");
  return JSON.parse(text.decode(bytes));
}

/** Whether a statement is the receipt `id`, and says what the page shows of it. */
export function checkStatement(statement, id) {
  const { _type, predicateType, predicate } = statement;
  need(_type === "https://in-toto.io/Statement/v1" && predicateType === "urn:tern:receipt:v1",
    "that is no statement of a receipt");
  need(predicate.receipt_id === id, `it is the receipt ${predicate.receipt_id}`);
  need(/^[0-9a-f]{64}$/.test(statement.subject?.[0]?.digest?.sha256 ?? ""), "no output is named");
}

function checkFigures(statement, shown) {
  const { energy, carbon, work, model } = statement.predicate;
  const differ = [];
  const compare = (name, said, here) => {
    if (said !== here) {
      differ.push(`${name} is ${said ?? "not there"}, not ${here ?? "missing"}`);
    }
  };
  compare("model", model.sha256, shown.sha256);
  compare("input_tokens", work.input_tokens, shown.prompt_tokens);
  compare("output_tokens", work.output_tokens, shown.output_tokens);
  compare("energy_uj", energy?.energy_uj, shown.energy?.energy_uj);
  compare("idle_uj", energy?.idle_uj, shown.energy?.idle_uj);
  compare("evidence", energy?.evidence, shown.energy?.evidence);
  compare("co2_ug", carbon?.co2_ug, shown.carbon?.co2_ug);
  need(differ.length === 0, differ.join("; "));
}

// --- a log -----------------------------------------------------------------------------------

/** A checkpoint that the log's key has signed. */
export async function openCheckpoint(note, key) {
  const whole = text.decode(note);
  const cut = whole.lastIndexOf("\n\n");
  need(cut > 0, "that is no signed note");
  const body = whole.slice(0, cut + 1);
  let good = false;
  for (const line of whole.slice(cut + 2).split("\n")) {
    const match = /^— (\S+) (\S+)$/.exec(line);
    if (match?.[1] === key.name) {
      const bytes = fromBase64(match[2]);
      if (bytes.length === 4 + 64 && same(bytes.slice(0, 4), key.id)) {
        good ||= await signed(key, bytes.slice(4), utf8.encode(body));
      }
    }
  }
  need(good, "the checkpoint is not signed by the log's key");
  const [origin, size, root] = body.split("\n");
  need(origin === key.name && /^(0|[1-9][0-9]{0,14})$/.test(size), "that is no checkpoint");
  return { origin, size: Number(size), root: fromBase64(root) };
}

const inner = (left, right) => sha256(Uint8Array.of(1), left, right);

/** The root over 1 to 256 hashes, which all stand for as many entries as each other. */
async function rootOf(hashes) {
  if (hashes.length === 1) {
    return hashes[0];
  }
  let split = 1;
  while (split * 2 < hashes.length) {
    split *= 2;
  }
  return inner(await rootOf(hashes.slice(0, split)), await rootOf(hashes.slice(split)));
}

/** "x001/234" of 1234. Source: c2sp.org/tlog-tiles. */
function tileName(n) {
  const groups = [];
  do {
    groups.unshift(String(n % 1000).padStart(3, "0"));
    n = Math.floor(n / 1000);
  } while (n > 0);
  return groups.map((g, i) => (i < groups.length - 1 ? `x${g}` : g)).join("/");
}

/** A tree of `size` entries whose tiles are asked for, and believed only under `root`. */
export class Tree {
  constructor(size, root, tile) {
    this.size = size;
    this.root = root;
    this.ask = tile;
    this.tiles = new Map();
  }

  async raw(level, index) {
    const whole = Math.floor(this.size / TILE ** (level + 1));
    const width = index < whole ? TILE : Math.floor(this.size / TILE ** level) % TILE;
    const name = `tile/${level}/${tileName(index)}${width < TILE ? `.p/${width}` : ""}`;
    if (!this.tiles.has(name)) {
      const bytes = await this.ask(name);
      need(bytes?.length === width * HASH, `${name} is not there or has another length`);
      this.tiles.set(name, Array.from({ length: width }, (_, i) => bytes.slice(i * HASH, (i + 1) * HASH)));
    }
    return this.tiles.get(name);
  }

  /** The root of the first `size` entries: complete subtrees, the largest first, which RFC 6962
   * joins from the right. */
  async rootAt(size, hashes) {
    const nodes = [];
    for (let level = 0; TILE ** level <= size; level++) {
      const n = Math.floor(size / TILE ** level);
      const width = n % TILE;
      if (width > 0) {
        const tile = await hashes(level, Math.floor(n / TILE));
        const here = [];
        for (let bit = TILE / 2, at = 0; bit >= 1; bit /= 2) {
          if (width & bit) {
            here.push(await rootOf(tile.slice(at, at + bit)));
            at += bit;
          }
        }
        nodes.unshift(...here);
      }
    }
    let root = nodes.pop() ?? await sha256();
    while (nodes.length > 0) {
      root = await inner(nodes.pop(), root);
    }
    return root;
  }

  /** The tiles at the right edge make the root. */
  async check() {
    const root = await this.rootAt(this.size, (l, i) => this.raw(l, i));
    need(same(root, this.root), "the tiles do not make the root that was signed");
  }

  /** A tile that is in the tree: what is at the edge was checked, and any other tile's root
   * stands in the tile above. */
  async hashes(level, index) {
    const tile = await this.raw(level, index);
    if (tile.length === TILE) {
      const above = await this.hashes(level + 1, Math.floor(index / TILE));
      need(same(await rootOf(tile), above[index % TILE]), `tile ${level}/${index} is not in the tree`);
    }
    return tile;
  }

  async includes(index, entry) {
    need(Number.isSafeInteger(index) && index >= 0 && index < this.size, "the tree has no such entry");
    const leaf = await sha256(Uint8Array.of(0), entry);
    const tile = await this.hashes(0, Math.floor(index / TILE));
    need(same(tile[index % TILE], leaf), `entry ${index} of the log is something else`);
  }

  /** The tree of `size` entries, whose root was seen before, is the beginning of this one. */
  async continues(size, root) {
    need(size <= this.size, `the log had ${size} entries and has ${this.size}`);
    const now = await this.rootAt(size, (l, i) => this.hashes(l, i));
    need(same(now, root), "the log is not a continuation of the one that was seen before");
  }
}

/** The log's head, checked: {checkpoint, key, tree, remember}. Null where there is no log. */
export async function openLog(get, memory) {
  const [line, note] = [await get("/tern/log/vkey"), await get("/tern/log/checkpoint")];
  if (!line || !note) {
    return null;
  }
  const key = await strictly(() => readKey(text.decode(line)));
  need(!memory.log_key || memory.log_key === key.line,
    `the log has another key than the one that this browser saw first`);
  const checkpoint = await strictly(() => openCheckpoint(note, key));
  const tree = new Tree(checkpoint.size, checkpoint.root, (name) => get(`/tern/log/${name}`));
  await tree.check();
  if (memory.log_root) {
    await tree.continues(Number(memory.log_size), fromBase64(memory.log_root));
  }
  const remember = { log_key: key.line, log_size: String(checkpoint.size), log_root: toBase64(checkpoint.root) };
  return { checkpoint, key, tree, remember };
}

// --- all of it -------------------------------------------------------------------------------

/**
 * Checks the receipt `id`. `shown` is what the page shows of the answer, or null where it is
 * not of one choice alone. `hasLog`: whether the server shows one.
 * Gives {verdict: "ok" | "no" | "open", checks: [{name, state, text}], remember}.
 */
export async function verifyReceipt(id, shown, get, memory, hasLog) {
  const checks = [];
  const remember = {};
  const run = async (name, work) => {
    try {
      checks.push({ name, state: "ok", text: await work() });
      return true;
    } catch (error) {
      const state = error instanceof Wrong ? "no" : "open";
      checks.push({ name, state, text: error.message });
      return false;
    }
  };
  let file, key, statement;
  const begun = await run("key", async () => {
    const line = await get("/v1/receipts/key");
    if (!line) {
      throw new Open("the server has no key");
    }
    key = await strictly(() => readKey(text.decode(line)));
    need(!memory.key || memory.key === key.line,
      `${key.short} is another key than the one that this browser saw first`);
    remember.key = key.line;
    return memory.key ? `${key.short}, as this browser saw before` : `${key.short}, seen for the first time`;
  }) && await run("signature", async () => {
    file = await get(`/v1/receipts/${id}`);
    if (!file) {
      throw new Open("the server keeps the receipt no longer");
    }
    statement = await strictly(() => openReceipt(file, key));
    return "Ed25519, over the whole statement";
  }) && await run("statement", async () => {
    await strictly(() => checkStatement(statement, id));
    return `output ${statement.subject[0].digest.sha256.slice(0, 16)}…, model ${statement.predicate.model.name}`;
  });
  if (begun && shown) {
    await run("figures", async () => {
      await strictly(() => checkFigures(statement, shown));
      return "tokens, joules and grams are those that are shown";
    });
  }
  if (begun) {
    await run("log", async () => {
      const found = hasLog && await get(`/tern/log/find/${id}`);
      const index = found ? text.decode(found).trim() : "none";
      if (index === "none") {
        throw new Open("in no log that this server shows");
      }
      const log = await openLog(get, memory);
      await log.tree.includes(Number(index), file);
      Object.assign(remember, log.remember);
      return `entry ${index} of ${log.checkpoint.size} in ${log.checkpoint.origin}`;
    });
  }
  const verdict = checks.some((c) => c.state === "no") ? "no" : begun ? "ok" : "open";
  return { verdict, checks, statement, remember };
}
