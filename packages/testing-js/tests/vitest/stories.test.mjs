import { setUpSwitchboard } from '@midcall/testing/vitest';
import { beforeAll, expect, test } from 'vitest';
import suite from '../suite.js';

const switchboard = setUpSwitchboard({ settings: { media_engine: 'none' } });

suite.tellStories({ test, expect, beforeAll }, switchboard);
