import type { ConnectOptions, StartOptions, Switchboard } from './index.js';

export interface SetUpOptions extends StartOptions, ConnectOptions {
  /** Seconds for each test of the file; 30. */
  testTimeout?: number;
}

/** Opens a switchboard before the tests of this file or `describe`, empties it after each, and stops it after the last. */
export function setUpSwitchboard(options?: SetUpOptions): Switchboard;
