'use strict';

const { setUpSwitchboard } = require('@midcall/testing/jest');
const { tellStories } = require('../suite.js');

const switchboard = setUpSwitchboard({ settings: { media_engine: 'none' } });

tellStories({ test, expect, beforeAll }, switchboard);
