// SPDX-License-Identifier: Apache-2.0
// Asking the server that the page came from; nobody else is ever asked.

const TOKEN = "tern.token"; // kept as long as the tab
let token = sessionStorage.getItem(TOKEN);

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export function useToken(text) {
  token = text;
  sessionStorage.setItem(TOKEN, text);
}

/** Whether links can be followed, which bear no token. */
export const isOpen = () => !token;

/** The bytes at a path; null when there is nothing (404). */
export async function bytesAt(path) {
  const answer = await fetch(path, {
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    signal: AbortSignal.timeout(30000),
    credentials: "omit",
    redirect: "error",
  });
  if (answer.status === 404) {
    return null;
  }
  if (!answer.ok) {
    throw new Refused(answer.status, `${path}: ${answer.status}`);
  }
  return new Uint8Array(await answer.arrayBuffer());
}

export async function jsonAt(path) {
  const bytes = await bytesAt(path);
  if (!bytes) {
    throw new Refused(404, `${path}: not there`);
  }
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}
