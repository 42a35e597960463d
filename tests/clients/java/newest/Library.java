import com.twilio.http.HttpMethod;
import com.twilio.jwt.accesstoken.AccessToken;
import com.twilio.jwt.accesstoken.VoiceGrant;
import com.twilio.rest.api.v2010.account.Call;
import com.twilio.rest.api.v2010.account.CallReader;
import com.twilio.rest.api.v2010.account.call.UserDefinedMessageSubscription;
import com.twilio.rest.api.v2010.account.call.UserDefinedMessageSubscriptionCreator;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** What is spelled in its own way in the newest version of the library. */
final class Library {
    static UserDefinedMessageSubscriptionCreator subscription(String callSid, URI callback) {
        return UserDefinedMessageSubscription.creator(callSid, callback).setMethod(HttpMethod.POST);
    }

    static CallReader calls(int pageSize) {
        return Call.reader().setPageSize((long) pageSize);
    }

    static AccessToken token(String identity, String applicationSid) {
        String secret = System.getenv("TWILIO_API_SECRET");
        return new AccessToken.Builder(
                System.getenv("TWILIO_ACCOUNT_SID"), System.getenv("TWILIO_API_KEY"), secret.getBytes(StandardCharsets.UTF_8))
            .identity(identity)
            .grant(new VoiceGrant().setIncomingAllow(true).setOutgoingApplicationSid(applicationSid))
            .build();
    }

    private Library() {}
}
