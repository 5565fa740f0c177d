// Stands for what one of the corpora's deployment puts in the place of its marker.
function _log(message) { logger.message(String(message)); }
function _fromConfig(name) { return 'https://api.example.com'; }
function _getSecret(name) { return 'c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U='; }
function _getVariable(name) { return JSON.stringify({ secretKey: 'SECRET_KEY_GOES_HERE', issUuid: 'i', templates: {} }); }
function _getOutcomeForDisplay() { return typeof outcome === 'undefined' ? '' : String(outcome); }
function _isAuthenticated() { return typeof existingSession !== 'undefined'; }
function _getJourneyName() { return 'journey'; }
function _padding(number) { return number < 10 ? '0' + number : String(number); }
function _convertStringToDateTime(text) { return Date.now(); }
function _obfuscateEmail(mail) { return mail; }
function _obfuscatePhone(phone) { return phone; }
function _fetchIDMToken() { return 'token'; }
function _isValidEmail(mail) { return true; }
function _convertStringToDate(text) { return new Date(2024, 0, 1); }
function _getCurrentDateAsString() { return '20240101000000Z'; }
function _getJurisdictionCode(jurisdiction) { return 'EW'; }
function _getSelectedLanguage(headers) { return 'EN'; }
function _getUserIdFromSharedState(state) { return 'id-of-demo'; }
function _getUserNameFromSharedState(state) { return 'demo'; }
function _isValidPhone(phone) { return true; }
