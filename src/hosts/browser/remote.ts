/** The words that name somebody else's browser, and the address of this machine as that browser sees it. */
import { UsageError } from "../../errors.ts";

/** Where the remote browser finds this machine. */
export interface PageAddress {
  readonly host: string;
  readonly port: number;
}

export interface RemoteBrowser {
  /** Empty for the one that `@ws` means. */
  readonly name: string;
  /** `ws://…` of the browser itself, or `http://HOST:PORT` that names it. */
  readonly endpoint: string;
  readonly page?: PageAddress;
}

const NAMED = /^([A-Za-z0-9_.-]+)=(.*)$/s;
const SCHEMES = ["ws:", "wss:", "http:", "https:"];

/** `URL` or `NAME=URL`. @throws UsageError */
export function parseRemote(text: string): RemoteBrowser {
  const [, name = "", endpoint = text] = NAMED.exec(text) ?? [];
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !SCHEMES.includes(url.protocol)) {
    throw new UsageError(
      `--browser-ws ${text}: is no address of a browser, expected [NAME=]URL with ws:, wss:, http: or https:`,
      "E.g. ws://grid:3000, or phone=http://127.0.0.1:9222 after adb forward tcp:9222 localabstract:chrome_devtools_remote",
    );
  }
  return { name, endpoint };
}

/** `HOST:PORT`. @throws UsageError */
export function parsePageAddress(text: string): PageAddress {
  const [, host, port] = /^([A-Za-z0-9.-]+):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || port === undefined || Number(port) < 1 || Number(port) > 65_535) {
    throw new UsageError(`--page-address ${text}: expected HOST:PORT, e.g. 127.0.0.1:8123`);
  }
  return { host, port: Number(port) };
}
